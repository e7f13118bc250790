"""Runs compared over the seeds they share, against SciPy."""

import csv

import numpy as np
import pytest
from scipy.stats import ttest_rel

from parley.analysis.comparisons import COLUMNS, compare_runs, write_comparisons

ONE, OTHER, THIRD = [0.50, 0.55, 0.61, 0.48], [0.40, 0.52, 0.50, 0.47], [0.49, 0.56, 0.60, 0.49]


def evaluation(run, seed, accuracy, parts=("test",)):
    values = {
        "accuracy@1": accuracy,
        "accuracy@k": accuracy,
        "nll": 1 - accuracy,
        "length": 2.0,
        "length_original": 1.0,
    }
    return {"run": run, "seed": seed, "parts": dict.fromkeys(parts, values)}


def experiment():
    runs = {"one": ONE, "other": OTHER, "third": THIRD}
    return [evaluation(run, seed, value) for run, values in runs.items() for seed, value in enumerate(values)]


def table(evaluations, runs=("one", "other", "third"), seeds=4):
    rows = compare_runs(evaluations, runs, seeds)
    return {(row["part"], row["metric"], row["first"], row["second"]): row for row in rows}


def test_every_pair_is_compared_over_its_seeds():
    found = table(experiment())
    assert len(found) == 5 * 3
    row = found["test", "accuracy@1", "one", "other"]
    expected = ttest_rel(ONE, OTHER)
    low, high = expected.confidence_interval(0.95)
    assert (row["n_seeds"], row["seeds_left_out"], row["unit"]) == (4, 0, "fraction")
    assert row["t_p"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    assert row["difference"] == pytest.approx(np.mean(ONE) - np.mean(OTHER))
    assert (row["mean_first"], row["mean_second"]) == (pytest.approx(np.mean(ONE)), pytest.approx(np.mean(OTHER)))
    # All four differences have the same sign: of 16 flips, two come as far.
    assert row["sign_flip_p"] == pytest.approx(2 / 16)
    assert found["test", "nll", "one", "other"]["difference"] == pytest.approx(-row["difference"])


def test_p_values_are_corrected_over_the_pairs_of_a_part_and_metric():
    found = table(experiment())
    pairs = [("one", "other"), ("one", "third"), ("other", "third")]
    rows = [found["test", "accuracy@1", *pair] for pair in pairs]
    plain = [row["t_p"] for row in rows]
    by_size = sorted(range(3), key=lambda place: plain[place])
    running, expected = 0.0, {}
    for rank, place in enumerate(by_size):
        running = max(running, min(1.0, plain[place] * (3 - rank)))
        expected[place] = running
    assert [row["t_p_holm"] for row in rows] == pytest.approx([expected[place] for place in range(3)])
    # Where nothing varies there is no t-test, and nothing to correct.
    length = found["test", "length", "one", "other"]
    assert (length["difference"], length["t_p"], length["t_p_holm"], length["d_z"]) == (0, None, None, None)


def test_seeds_that_either_lacks_are_left_out_and_counted():
    evaluations = [one for one in experiment() if (one["run"], one["seed"]) != ("one", 3)]
    evaluations[-1]["parts"]["test"] = {**evaluations[-1]["parts"]["test"], "accuracy@1": None}
    found = table(evaluations)
    row = found["test", "accuracy@1", "one", "other"]
    assert (row["n_seeds"], row["seeds_left_out"]) == (3, 1)
    assert row["t_p"] == pytest.approx(ttest_rel(ONE[:3], OTHER[:3]).pvalue)
    assert found["test", "accuracy@1", "other", "third"]["n_seeds"] == 3
    lost = table([one for one in experiment() if one["run"] != "one"])["test", "accuracy@1", "one", "other"]
    assert (lost["n_seeds"], lost["seeds_left_out"], lost["difference"], lost["mean_first"]) == (0, 4, None, None)


def test_splits_are_in_the_order_of_the_summary_and_runs_in_that_of_the_config(tmp_path):
    evaluations = [evaluation(run, seed, 0.5 + seed / 10, ("train", "ood", "test")) for run in "ba" for seed in (0, 1)]
    rows = compare_runs(evaluations, ["b", "a"], 2)
    assert list(dict.fromkeys(row["part"] for row in rows)) == ["test", "ood", "train"]
    assert {(row["first"], row["second"]) for row in rows} == {("b", "a")}
    write_comparisons(rows, tmp_path / "c.csv")
    with (tmp_path / "c.csv").open(newline="") as stream:
        read = list(csv.DictReader(stream))
    assert tuple(read[0]) == COLUMNS
    assert len(read) == len(rows)
    assert read[0]["t_p"] == ""


def test_one_run_has_nothing_to_be_compared_with(tmp_path):
    write_comparisons(compare_runs([evaluation("one", 0, 0.5)], ["one"], 1), tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text() == ",".join(COLUMNS) + "\n"
