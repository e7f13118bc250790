import csv
import json
from math import log

import pytest
from made_runs import evaluation_entry

from parley.analysis.summary import COLUMNS, UNITS, failed_seeds, read_summary, summarise, write_summary
from parley.core.errors import ParleyError


def evaluation(seed, run="adaptive", part="test", **metrics):
    entry = evaluation_entry(metrics.pop("n", 40), metrics.pop("candidates", 4), metrics.pop("k", 2), **metrics)
    return {"run": run, "seed": seed, "k": 2, "step": 100, "parts": {part: entry}}


def row_of(rows, metric="accuracy@1", part="test", run="adaptive"):
    found = [row for row in rows if (row.run, row.part, row.metric) == (run, part, metric)]
    assert len(found) == 1
    return found[0]


def test_mean_sd_and_interval_over_seeds_by_hand():
    rows = summarise(
        [evaluation(s, top1=v) for s, v in enumerate((0.5, 0.6, 0.7))], [("adaptive", s) for s in range(3)]
    )
    row = row_of(rows)
    half = 4.302652729 * 0.1 / 3**0.5
    assert row.mean == pytest.approx(0.6)
    assert row.sd == pytest.approx(0.1)
    assert (row.low, row.high) == pytest.approx((0.6 - half, 0.6 + half))
    assert (row.n_seeds, row.seeds_failed, row.chance, row.candidates, row.images) == (3, 0, 0.25, 4, 40)
    assert row.beats_chance is True
    assert [row.metric for row in rows] == list(UNITS)


def test_one_seed_has_no_sd_and_no_interval_rather_than_zero():
    row = row_of(summarise([evaluation(0)], [("adaptive", 0)]))
    assert (row.mean, row.sd, row.low, row.high, row.beats_chance) == (0.5, None, None, None, None)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None, "x"])
def test_a_non_finite_value_is_a_failed_seed(bad):
    evaluations = [evaluation(0, nll=1.0), evaluation(1, nll=bad), evaluation(2, nll=2.0)]
    expected = [("adaptive", seed) for seed in range(3)]
    rows = summarise(evaluations, expected)
    assert (row_of(rows, "nll").mean, row_of(rows, "nll").n_seeds, row_of(rows, "nll").seeds_failed) == (1.5, 2, 1)
    assert row_of(rows, "accuracy@1").n_seeds == 3
    assert failed_seeds(evaluations, expected) == [("adaptive", 1)]


def test_a_seed_without_an_evaluation_is_counted_as_failed():
    expected = [("adaptive", seed) for seed in range(3)]
    rows = summarise([evaluation(0), evaluation(2)], expected)
    assert (row_of(rows).n_seeds, row_of(rows).seeds_failed) == (2, 1)
    assert failed_seeds([evaluation(0), evaluation(2)], expected) == [("adaptive", 1)]


def test_a_run_without_successful_seeds_is_shown():
    expected = [("adaptive", 0), ("broken", 0), ("broken", 1)]
    row = row_of(summarise([evaluation(0)], expected), run="broken")
    assert (row.mean, row.n_seeds, row.seeds_failed, row.chance) == (None, 0, 2, None)


def test_runs_and_parts_keep_their_order():
    evaluations = [evaluation(0, "b"), evaluation(0, "a")]
    for one in evaluations:
        one["parts"] |= dict.fromkeys(("train", "ood", "ood_alone", "dev"), one["parts"]["test"])
    rows = summarise(evaluations, [("b", 0), ("a", 0)])
    assert list(dict.fromkeys(row.run for row in rows)) == ["b", "a"]
    assert list(dict.fromkeys(row.part for row in rows)) == ["test", "ood_alone", "ood", "dev", "train"]


def test_against_chance():
    expected = [("adaptive", 0), ("adaptive", 1)]
    # The interval of 0.26 and 0.40 is wide: it holds 0.25, although both values lie above it.
    rows = summarise([evaluation(0, top1=0.26, nll=1.0), evaluation(1, top1=0.40, nll=1.01)], expected)
    assert row_of(rows).beats_chance is False
    assert row_of(rows, "nll").chance == pytest.approx(log(4))
    assert row_of(rows, "nll").beats_chance is True  # less is better, and the whole interval is less
    assert row_of(rows, "length").chance is None


def test_k_is_capped_at_the_candidates():
    assert row_of(summarise([evaluation(0, candidates=3, k=7)], [("adaptive", 0)]), "accuracy@k").chance == 1


def test_seeds_with_different_images_or_candidates_are_refused():
    with pytest.raises(ParleyError, match="different candidates"):
        summarise([evaluation(0, candidates=4), evaluation(1, candidates=5)], [("adaptive", 0), ("adaptive", 1)])
    with pytest.raises(ParleyError, match="has two files"):
        summarise([evaluation(0), evaluation(0)], [("adaptive", 0)])
    with pytest.raises(ParleyError, match="seed 9 is not in the config"):
        summarise([evaluation(9)], [("adaptive", 0)])


def test_files_have_the_same_rows(tmp_path):
    expected = [("adaptive", 0), ("adaptive", 1), ("adaptive", 2)]
    evaluations = [evaluation(0, top1=1 / 3), evaluation(1, top1=0.7)]
    rows = summarise(evaluations, expected)
    write_summary(rows, failed_seeds(evaluations, expected), tmp_path / "summary.csv", tmp_path / "summary.json")
    assert read_summary(tmp_path / "summary.json") == (rows, [("adaptive", 2)], {})
    with (tmp_path / "summary.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert tuple(table[0]) == COLUMNS
    assert float(table[0]["mean"]) == rows[0].mean
    assert table[0]["beats_chance"] == "no"
    assert [row["sd"] for row in table if row["metric"] == "length"] == ["0.0"]


def test_unknown_values_are_empty_cells_and_null(tmp_path):
    rows = summarise([evaluation(0)], [("adaptive", 0)])
    write_summary(rows, [], tmp_path / "summary.csv", tmp_path / "summary.json")
    text = (tmp_path / "summary.csv").read_text()
    assert "nan" not in text.lower()
    with (tmp_path / "summary.csv").open(newline="") as stream:
        first = next(csv.DictReader(stream))
    assert (first["sd"], first["low"], first["high"], first["beats_chance"]) == ("", "", "", "")
    assert json.loads((tmp_path / "summary.json").read_text())["rows"][0]["sd"] is None


def test_a_file_that_is_not_a_summary_is_refused(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(ParleyError, match="was not written by this version"):
        read_summary(tmp_path / "summary.json")


def test_the_reason_of_a_failure_is_included_if_known(tmp_path):
    expected = [("adaptive", seed) for seed in range(3)]
    rows = summarise([evaluation(0)], expected)
    paths = tmp_path / "summary.csv", tmp_path / "summary.json"
    write_summary(rows, expected[1:], *paths, {("adaptive", 2): "It diverged."})
    assert read_summary(paths[1])[1] == [("adaptive", 1), ("adaptive", 2)]
    assert read_summary(paths[1]).reasons == {("adaptive", 2): "It diverged."}
