"""Tables for a paper: what they say, and that any text in them comes out as it is."""

import re

import cmarkgfm
import pytest
from made_runs import evaluation_entry

from parley.analysis.summary import failed_seeds, summarise, write_summary
from parley.analysis.summary_tables import as_markdown, paper_table, write_paper_tables
from parley.core import latex
from parley.core.errors import ParleyError

ALL = {"name": "main", "runs": [], "parts": [], "caption": ""}
METRICS = ["accuracy@1", "accuracy@k", "nll", "length"]
ODD = r"a_b|c%d"


def evaluation(run, seed, top1, parts=("test", "dev", "ood"), **values):
    entries = {part: evaluation_entry(480, 24, 3, top1=top1, topk=0.8, **values) for part in parts}
    return {"run": run, "seed": seed, "parts": entries}


def rows_of(*evaluations, seeds=(1, 2)):
    return summarise(evaluations, [(run, seed) for run in ("one", ODD) for seed in seeds])


@pytest.fixture
def rows():
    return rows_of(evaluation("one", 1, 0.5), evaluation("one", 2, 0.6), evaluation(ODD, 1, 0.25))


def test_the_default_shows_test_and_unseen_parts_with_intervals_seeds_and_chance(rows):
    table = paper_table(rows, {**ALL, "metrics": METRICS})
    assert table.header == ["Run", "accuracy@1", "accuracy@k", "NLL (nats)", "length (exchanges)", "Seeds"]
    assert [title for title, _ in table.blocks] == [
        "test: 480 images, 24 candidates, k = 3",
        "ood: 480 images, 24 candidates, k = 3",
    ]
    one, odd, chance = table.blocks[0][1]
    # Of two values the interval is 12.706 standard errors on either side, and the standard error is 0.05.
    assert one[:2] == ["one", "0.550 [-0.085, 1.185]"]
    assert one[2:] == ["0.800 [0.800, 0.800]", "1.000 [1.000, 1.000]", "2.00 [2.00, 2.00]", "2"]
    assert odd == [ODD, "0.250", "0.800", "1.000", "2.00", "1 of 2"]
    assert chance == ["chance", "0.042", "0.125", "3.178", "–", ""]


def test_requested_runs_and_splits_are_shown_in_their_order(rows):
    wanted = {**ALL, "runs": [ODD, "one"], "parts": ["dev", "test"], "metrics": ["length", "accuracy@1"]}
    table = paper_table(rows, {**wanted, "caption": "All that counts."})
    assert [title.split(":")[0] for title, _ in table.blocks] == ["dev", "test"]
    assert [row[0] for row in table.blocks[0][1]] == [ODD, "one", "chance"]
    assert table.caption.startswith("All that counts. Mean over seeds")


def test_seeds_are_given_by_metric_if_they_differ():
    rows = rows_of(evaluation("one", 1, 0.5), evaluation("one", 2, 0.6, nll=float("nan")))
    one, failed, _ = paper_table(rows, {**ALL, "metrics": METRICS}).blocks[0][1]
    assert one[-1] == "2 / 2 / 1 / 2 of 2"
    assert failed == [ODD, "–", "–", "–", "–", "0 of 2"]


def test_a_first_run_that_failed_hides_neither_the_images_nor_chance():
    test, ood = paper_table(rows_of(evaluation(ODD, 1, 0.25)), {**ALL, "metrics": METRICS}).blocks
    assert (test[0], ood[0]) == tuple(f"{part}: 480 images, 24 candidates, k = 3" for part in ("test", "ood"))
    assert [row[:2] for row in test[1]] == [["one", "–"], [ODD, "0.250"], ["chance", "0.042"]]


def test_a_requested_split_without_results_is_refused():
    # As summarised of a single experiment every run has every split; tables may be made of any summary.
    rows = [
        row
        for row in rows_of(evaluation("one", 1, 0.5), evaluation(ODD, 1, 0.25))
        if (row.run, row.part) != ("one", "ood")
    ]
    wanted = {**ALL, "runs": ["one"], "metrics": METRICS}
    with pytest.raises(ParleyError, match=r"main lists the split ood, on which none of its runs \(one\) was evaluated"):
        paper_table(rows, {**wanted, "parts": ["ood"]})
    assert [title.split(":")[0] for title, _ in paper_table(rows, wanted).blocks] == ["test"]


@pytest.mark.parametrize(("key", "kind", "name"), [("runs", "runs", "three"), ("parts", "splits", "transfer")])
def test_requests_that_the_summary_lacks_are_refused(rows, key, kind, name):
    with pytest.raises(
        ParleyError, match=f"lists the {kind} {name}, which the summary does not have; the summary has "
    ):
        paper_table(rows, {**ALL, "metrics": METRICS, key: [name]})


def test_markdown_escapes_the_text(rows):
    text = as_markdown(paper_table(rows, {**ALL, "metrics": METRICS, "caption": "*1* | 2"}))
    page = cmarkgfm.github_flavored_markdown_to_html(text)
    assert f"<td>{ODD}</td>" in page
    assert "<p>*1* | 2 Mean over seeds" in page
    table = page.split("<tbody>")[1]
    assert {row.count("<td>") for row in table.split("</tr>")[:-1]} == {6}


def test_latex_has_the_same_cells_and_escapes_them(rows, tmp_path):
    evaluations = [evaluation("one", 1, 0.5), evaluation(ODD, 1, 0.25)]
    expected = [("one", 1), (ODD, 1)]
    write_summary(
        summarise(evaluations, expected), failed_seeds(evaluations, expected), tmp_path / "s.csv", tmp_path / "s.json"
    )
    write_paper_tables(tmp_path / "s.json", [{**ALL, "metrics": METRICS, "caption": "50 % of {x}"}], tmp_path)
    assert (tmp_path / "main.md").read_text().startswith("50 % of ")
    text = (tmp_path / "main.tex").read_text()
    assert r"\caption{50 \% of \{x\} Mean over seeds" in text
    assert r"\label{tab:main}" in text
    assert r"\begin{tabular}{lrrrrr}" in text
    assert r"a\_b\textbar{}c\%d & 0.250 & 0.800 & 1.000 & 2.00 & 1 \\" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}
    for begun in re.findall(r"\\begin{(\w+)}", text):
        assert text.count(rf"\end{{{begun}}}") == 1
    rules = re.findall(r"\\(top|mid|bottom)rule", text)
    assert rules == ["top", "mid", "mid", "bottom"]


def test_every_special_character_of_latex_is_escaped():
    assert latex.escaped("\\ & % $ # _ { } ~ ^") == (
        r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{}"
    )
    assert latex.escaped("<a>\n|b| –") == r"\textless{}a\textgreater{} \textbar{}b\textbar{} --"


def test_minus_signs_and_brackets_of_cells_are_escaped():
    text = latex.table("", "t", ["Run", "x"], [("b-1", [["[a", "-0.5 [-1, 2-3]"]])])
    assert r"{}[a & $-$0.5 [$-$1, 2-3] \\" in text
    assert r"\emph{b-1}" in text
