"""Whether the seeds of a run agree: from files of messages to a table over pairs of seeds."""

import csv
import gc

import numpy as np
import pytest
from made_runs import Talk, write_messages
from sklearn.metrics import cohen_kappa_score

from parley.analysis import agreement as agreements
from parley.analysis.agreement import COLUMNS, UNITS, write_agreements
from parley.core.errors import ParleyError
from parley.metrics.conversations import Conversations, read_conversations

IMAGES, CLASSES, BITS, STEPS = 40, 3, 6, 3
TARGETS = np.arange(IMAGES) % CLASSES


def said(draw, answers=None, lengths=None, messages=None):
    """Answers, lengths and last messages of one seed; random if not given."""
    return (
        draw.integers(0, CLASSES, IMAGES) if answers is None else answers,
        draw.integers(1, STEPS + 1, IMAGES) if lengths is None else lengths,
        draw.integers(0, 2, (IMAGES, BITS)) if messages is None else messages,
    )


def written(folder, run, seed, what, part="test", score=5.0, keys=range(IMAGES)):
    talks = [
        Talk(
            f"k{key}", int(target), [[score * (one == answer) for one in range(CLASSES)]] * STEPS, int(length),
            sender=[message.tolist()] * STEPS,
        )
        for key, target, answer, length, message in zip(keys, TARGETS, *what, strict=True)
    ]  # fmt: skip
    name = "messages.hdf5" if part == "test" else f"messages.{part}.hdf5"
    path = folder / "runs" / run / str(seed) / name
    return write_messages(path, talks, list("xyz"), run=run, seed=seed, part=part, bits=BITS)


def table(folder, paths, runs=("a",)):
    write_agreements(paths, runs, folder / "agreement.csv")
    with (folder / "agreement.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return rows, {(row["run"], row["part"], row["metric"]): row for row in rows}


def test_identical_seeds_agree_fully(tmp_path):
    what = said(np.random.default_rng(0))
    rows, found = table(tmp_path, [written(tmp_path, "a", seed, what) for seed in (1, 2, 3)])
    assert tuple(rows[0]) == COLUMNS
    assert [row["metric"] for row in rows] == list(UNITS)
    for row in found.values():
        assert [float(row[name]) for name in ("mean", "lowest", "highest", "low", "high")] == pytest.approx([1] * 5)
        assert (float(row["sd"]), row["n_seeds"], row["n_pairs"]) == (pytest.approx(0), "3", "3")
        assert float(row["p"]) == pytest.approx(1 / 201)
        assert float(row["null_mean"]) < float(row["null_high"]) < 0.7


def test_independent_random_seeds_agree_by_chance(tmp_path):
    draw = np.random.default_rng(1)
    _, found = table(tmp_path, [written(tmp_path, "a", seed, said(draw)) for seed in range(6)])
    assert float(found["a", "test", "same_answer"]["mean"]) == pytest.approx(1 / 3, abs=0.1)
    for metric in list(UNITS)[1:]:
        assert float(found["a", "test", metric]["mean"]) == pytest.approx(0, abs=0.12), metric
        assert found["a", "test", metric]["n_pairs"] == "15"
    for metric, row in found.items():
        assert float(row["p"]) > 0.02, metric
        assert float(row["null_mean"]) == pytest.approx(float(row["mean"]), abs=0.1), metric


def test_each_metric_measures_its_own_quantity(tmp_path):
    draw = np.random.default_rng(2)
    one, other = said(draw), said(draw)
    _, found = table(tmp_path, [written(tmp_path, "a", seed, what) for seed, what in enumerate((one, other))])
    expected = {
        "same_answer": (one[0] == other[0]).mean(),
        "answer_kappa": cohen_kappa_score(one[0], other[0]),
        "right_kappa": cohen_kappa_score(one[0] == TARGETS, other[0] == TARGETS),
        "length_correlation": np.corrcoef(one[1], other[1])[0, 1],
    }
    for metric, value in expected.items():
        row = found["a", "test", metric]
        assert float(row["mean"]) == float(row["lowest"]) == float(row["highest"]) == pytest.approx(value)
        assert (row["sd"], row["low"], row["high"], row["n_pairs"]) == ("", "", "", "1")


def test_constant_values_have_an_empty_cell(tmp_path):
    fixed = np.full(IMAGES, STEPS)
    draw = np.random.default_rng(3)
    _, found = table(tmp_path, [written(tmp_path, "a", seed, said(draw, lengths=fixed)) for seed in (1, 2, 3)])
    row = found["a", "test", "length_correlation"]
    assert (row["mean"], row["low"], row["n_seeds"], row["n_pairs"]) == ("", "", "3", "0")
    assert (row["null_mean"], row["null_high"], row["p"]) == ("", "", "")


def test_a_seed_that_diverged_is_left_out_and_one_alone_has_no_pair(tmp_path):
    draw = np.random.default_rng(4)
    paths = [written(tmp_path, "a", 1, said(draw)), written(tmp_path, "a", 2, said(draw), score=np.nan)]
    _, found = table(tmp_path, paths)
    assert {(row["mean"], row["n_seeds"], row["n_pairs"]) for row in found.values()} == {("", "1", "0")}


def test_runs_and_splits_are_ordered_and_a_failed_run_has_no_rows(tmp_path):
    draw = np.random.default_rng(5)
    paths = [
        written(tmp_path, run, seed, said(draw), part)
        for part in ("train", "ood", "test")
        for run in "ba"
        for seed in (1, 2)
    ]
    rows, _ = table(tmp_path, paths, ("b", "lost", "a"))
    assert list(dict.fromkeys((row["run"], row["part"]) for row in rows)) == [
        (run, part) for run in "ba" for part in ("test", "ood", "train")
    ]


def test_the_same_images_are_sampled_for_all_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(agreements, "MOST_IMAGES", 25)
    what = said(np.random.default_rng(6))
    _, found = table(tmp_path, [written(tmp_path, "a", seed, what) for seed in (1, 2)])
    row = found["a", "test", "message_similarity"]
    assert float(row["mean"]) == pytest.approx(1)
    assert float(row["p"]) == pytest.approx(1 / 201)
    assert float(row["null_high"]) < 0.5


def test_one_file_of_messages_is_in_memory_at_a_time(tmp_path, monkeypatch):
    held = []

    def read(path):
        held.append(sum(type(one) is Conversations for one in gc.get_objects()))
        return read_conversations(path)

    monkeypatch.setattr(agreements, "read_conversations", read)
    draw = np.random.default_rng(8)
    table(tmp_path, [written(tmp_path, "a", seed, said(draw)) for seed in (1, 2, 3)])
    assert held == [0, 0, 0]


def test_seeds_with_different_images_are_refused(tmp_path):
    draw = np.random.default_rng(7)
    paths = [written(tmp_path, "a", 1, said(draw)), written(tmp_path, "a", 2, said(draw), keys=range(1, IMAGES + 1))]
    with pytest.raises(ParleyError, match="Seeds 1 and 2 of run a have different images or candidates on te"):
        table(tmp_path, paths)
