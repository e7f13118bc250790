"""The table of claims: from the config's entries to a page."""

import csv
import json
from pathlib import Path

import pytest

from parley.analysis.claim_measures import Evidence
from parley.analysis.claims import CLAIMS, COLUMNS, as_markdown, judge_claims, write_claims
from parley.cli.main import main
from parley.config.claim_entries import (
    NEEDED,
    contradictions,
    conversations_of,
    evaluated_runs,
    intervened_runs,
    lacking_parts,
    takes_classifier,
)
from parley.config.schema import read_schema
from parley.config.validation import resolve
from parley.core.errors import ParleyError

SCHEMA = read_schema(Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml")
BITS = {"a": 8, "b": 16, "c": 8}
EMPTY = {"claim": "", "part": "test", "run": None, "against": None, "runs": []}


def entry(claim, **more):
    return {**EMPTY, "claim": claim, **more}


def evidence(values):
    """Accuracies of the runs a and b, by seed."""
    evaluations = {
        run: {seed: {"parts": {"test": {"accuracy@k": value, "n": 40}}} for seed, value in enumerate(found)}
        for run, found in values.items()
    }
    return Evidence({}, evaluations, {}, {}, {})


def test_the_config_the_checks_and_the_statements_know_the_same_claims():
    known = SCHEMA["properties"]["claims"]["items"]["properties"]["claim"]["enum"]
    assert list(NEEDED) == list(CLAIMS) == known


def test_every_claim_is_measured_in_one_way():
    assert all((claim.measure is None) != (claim.pairs is None) for claim in CLAIMS.values())


def test_a_row_has_the_result_and_the_number_of_seeds():
    entries = [entry("frozen_sender_lags", run="b", against="a"), entry("words_help", run="b", against="a")]
    found = judge_claims(entries, evidence({"a": [0.9, 0.8, 0.85], "b": [0.4, 0.35, 0.3]}), 4)
    assert [row["verdict"] for row in found] == ["agrees", "disagrees"]
    assert set(found[0]) == set(COLUMNS)
    assert found[0]["mean"] == pytest.approx(-0.5)
    assert (found[0]["n_seeds"], found[0]["seeds_left_out"], found[0]["runs"]) == (3, 1, "b against a")
    assert (found[0]["p"], found[0]["null"], found[0]["cases"]) == (2 / 8, "signs of seeds flipped", 40)


def test_a_margin_has_no_p_value():
    found = judge_claims([entry("stopping_costs_nothing", run="a", against="b")], evidence({"a": [0.5], "b": [0.5]}), 1)
    assert found[0]["p"] is found[0]["null"] is None
    assert found[0]["verdict"] == "undecided"


def test_files_and_page_show_each_mean_with_its_interval_and_n(tmp_path, capsys):
    entries = [entry("frozen_sender_lags", run="b", against="a"), entry("words_help", run="b", against="c")]
    rows = judge_claims(entries, evidence({"a": [0.9, 0.8, 0.85], "b": [0.4, 0.35, 0.3], "c": []}), 3)
    write_claims(rows, tmp_path)
    with (tmp_path / "claims.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert tuple(table[0]) == COLUMNS
    assert float(table[0]["mean"]) == pytest.approx(-0.5)
    assert table[1]["mean"] == ""
    assert json.loads((tmp_path / "claims.json").read_text())["rows"][0]["verdict"] == "agrees"
    shown = (tmp_path / "claims.md").read_text()
    assert "-0.500 \\[-0.624, -0.376\\] \\(3 seeds, 40 cases each, p = 0.25\\)" in shown
    assert "not measurable \\(0 seeds, 3 left out\\)" in shown
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- table here -->\nold\n<!-- end -->\nAfter\n")
    assert main(["insert", str(tmp_path / "claims.md"), "--into", str(page), "--name", "here"]) == 0
    lines = "\n".join(as_markdown(rows))
    assert page.read_text() == f"Before\n<!-- table here -->\n{lines}\n<!-- end -->\nAfter\n"
    assert main(["insert", str(tmp_path / "claims.md"), "--into", str(page), "--name", "there"]) == 1
    assert "page.md: The page must have one place for the table there" in capsys.readouterr().err


def test_only_some_columns_of_a_table_are_inserted(tmp_path, capsys):
    page, table = tmp_path / "page.md", tmp_path / "table.md"
    page.write_text("<!-- table here -->\n<!-- end -->\n")
    table.write_text(
        "Caption.\n\n| Run | a@k | n |\n|---|---|---|\n| *test* |  |  |\n| b \\[x\\] | 0.5 | 5 |\n\nFootnote.\n"
    )
    insert = ["insert", str(table), "--into", str(page), "--name", "here", "--column", "n", "--column", "Run"]
    assert main(insert) == 0
    expected = ["Caption.", "", "| n | Run |", "|---|---|", "|  | *test* |", "| 5 | b \\[x\\] |", "", "Footnote."]
    assert page.read_text().splitlines()[1:-1] == expected
    assert main([*insert, "--column", "p"]) == 1
    assert "The table has no column p; its columns are Run, a@k, n." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            entry("frozen_sender_lags", run="a"),
            r"claims\[0\], frozen_sender_lags, must name run and against; it names run",
        ),
        (entry("stops_at_once"), "must name run; it names none of them"),
        (entry("stops_at_once", run="a", runs=["a", "b"]), "must name run; it names run and runs"),
        (entry("bandwidth_helps", runs=["a"]), "must name at least two runs that differ in game.message_bits"),
        (entry("bandwidth_helps", runs=["a", "c"]), "must name at least two runs that differ in game.message_bits"),
        (entry("stops_at_once", run="z"), "names the run z, which does not exist; the runs are a, b, c"),
        (entry("words_help", run="a", against="a"), "compares the run a with itself; give another"),
        (entry("length_with_difficulty", run="a", part="ood"), "on the split train or dev or test, not on ood"),
        (entry("questions_matter", run="a", part="dev"), "on the split test or ood, not on dev"),
    ],
)
def test_claims_about_no_run_are_refused(wrong, sentence):
    with pytest.raises(ParleyError, match=sentence):
        raise ParleyError(contradictions([wrong], BITS))


def test_claims_that_fit_are_not():
    fit = [entry("bandwidth_helps", runs=["a", "b"]), entry("words_help", run="a", against="b")]
    assert list(contradictions(fit, BITS)) == []


def test_by_default_each_run_has_all_claims_about_one_run():
    raw = {"experiment": "e", "source": {"kind": "world"}, "classes": "c.tsv", "runs": [{"name": "a"}, {"name": "b"}]}
    claims = resolve(raw, SCHEMA)["claims"]
    assert [one["run"] for one in claims if one["claim"] == "stops_at_once"] == ["a", "b"]
    assert {one["claim"] for one in claims} == {name for name, needed in NEEDED.items() if needed == ("run",)}
    assert list(contradictions(claims, BITS)) == []
    assert resolve({**raw, "claims": []}, SCHEMA)["claims"] == []


def test_claims_about_a_part_that_is_not_there_are_refused():
    entries = [
        entry("stops_at_once", run="a", part="transfer_alone"),
        entry("stops_at_once", run="a", part="ood_alone"),
    ]
    (sentence,) = lacking_parts(entries, ["train", "dev", "test", "ood"])
    assert "claims[0], stops_at_once, is about the split transfer_alone, which the experiment does not have" in sentence


def test_claims_need_only_their_own_files():
    entries = [
        entry("stops_at_once", run="a"),
        entry("length_with_accuracy", run="a"),
        entry("flips_cost", run="b"),
        entry("words_help", run="c", against="a", part="ood"),
    ]
    assert conversations_of(entries) == [("a", "test")]
    assert intervened_runs(entries) == ["b"]
    assert sorted(evaluated_runs(entries)) == ["a", "b", "c"]
    assert not takes_classifier(entries)
    assert takes_classifier([entry("length_with_difficulty", run="a")])
