import json

import numpy as np
import pytest
from made_runs import Talk, evaluation_entry, make_experiment, write_evaluation, write_messages

from parley.core.errors import ParleyError
from parley.metrics.analysis import analyse_run
from parley.metrics.pooling import mean_over_seeds, pool

LABELS = ["cat", "dog", "owl"]
# Four conversations, T = 2. By the exchange that counts: right, wrong (owl for cat), right, wrong (cat for dog).
TALKS = [
    Talk("a", 0, [[5, 0, 0], [0, 5, 0]], 1, sender=[[1, 1], [0, 0]], sender_probs=[[1, 1], [0, 0]]),
    Talk("b", 0, [[5, 0, 0], [0, 0, 5]], 2, sender=[[0, 0], [1, 1]], sender_probs=[[0.5, 0.5], [1, 1]]),
    Talk("c", 1, [[5, 0, 0], [0, 5, 0]], 2, wants_more=True, sender=[[0, 0], [0, 1]]),
    Talk("d", 1, [[5, 0, 0], [0, 5, 0]], 1, sender=[[1, 1], [0, 0]]),
]


@pytest.fixture
def folder(tmp_path):
    own = tmp_path / "runs" / "adaptive" / "3"
    write_messages(own / "messages.hdf5", TALKS, LABELS, seed=3, bits=2)
    write_evaluation(own, {"test": evaluation_entry(4, 3, 2, top1=0.5, topk=0.75)}, seed=3)
    return own


def test_analysis_of_a_run_by_hand(folder):
    analysis = analyse_run(folder)
    assert (analysis["run"], analysis["seed"]) == ("adaptive", 3)
    part = analysis["parts"]["test"]
    assert part["accuracy@1"] == 0.5
    assert part["chance@1"] == pytest.approx(1 / 3)
    # b has two candidates behind owl for one place: half. d has cat first, dog and owl tied: half.
    assert part["accuracy@k"] == pytest.approx((1 + 0.5 + 1 + 0.5) / 4)
    assert part["mean_rank"] == pytest.approx((1 + 2.5 + 1 + 2.5) / 4)
    assert part["length"] == 1.5
    assert part["length_original"] == pytest.approx((0 + 1 + 2 + 0) / 4)
    assert part["confusion"] == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert [(c["class"], c["n"], c["accuracy@1"], c["length"]) for c in part["classes"]] == [
        ("cat", 2, 0.5, 1.5),
        ("dog", 2, 0.5, 1.5),
        ("owl", 0, None, None),
    ]
    assert part["by_length"] == [
        {"length": 1, "n": 2, "accuracy@1": 0.5},
        {"length": 2, "n": 2, "accuracy@1": 0.5},
    ]


def test_metrics_by_exchange(folder):
    found = analyse_run(folder)["parts"]["test"]["by_exchange"]
    assert found["talking"] == [1, 0.5]
    # As if nobody stopped, the first exchange is right about a and b, the second about c and d.
    assert found["accuracy@1_all"] == [0.5, 0.5]
    assert found["accuracy@1_talking"] == [0.5, 0.5]
    assert found["sender_entropy_bits_all"] == pytest.approx([2 / 4, 0])
    assert found["sender_entropy_bits_talking"] == pytest.approx([2 / 4, 0])
    expected = -sum(p * np.log2(p) for p in np.exp([5, 0, 0]) / np.exp([5, 0, 0]).sum())
    assert found["prediction_entropy_bits_all"] == pytest.approx([expected] * 2)


def test_the_messages_are_those_of_the_last_exchange(folder):
    messages = analyse_run(folder)["parts"]["test"]["messages"]
    # 11, 11, 01, 11: two different ones, on one line.
    assert messages["distinct"] == 2
    assert messages["explained"] == pytest.approx([1, 0])
    assert messages["keys"] == ["a", "b", "c", "d"]
    assert np.array(messages["coordinates"])[:, 0] == pytest.approx([0.25, 0.25, -0.75, 0.25])


def test_the_result_is_json(folder):
    assert json.loads(json.dumps(analyse_run(folder), allow_nan=False)) == analyse_run(folder)


def test_messages_that_contradict_the_evaluation_give_a_warning(folder):
    write_evaluation(folder, {"test": evaluation_entry(4, 3, 2, top1=0.9, topk=0.75)}, seed=3)
    warnings = analyse_run(folder)["warnings"]
    assert len(warnings) == 1
    assert "accuracy@1 of the messages is 0.5000, evaluation.json says 0.9000" in warnings[0]


def test_a_diverged_run_is_reported_and_not_counted(folder):
    talks = [Talk("a", 0, [[np.nan, 0, 0]], 1)]
    write_messages(folder / "messages.hdf5", talks, LABELS, seed=3)
    analysis = analyse_run(folder)
    assert "diverged" in analysis["parts"]["test"]["failed"]
    assert "accuracy@1" not in analysis["parts"]["test"]
    assert "diverged" in analysis["warnings"][0]
    assert pool([analysis], "adaptive") is None


def test_continuous_messages_have_no_entropy(folder):
    talks = [Talk("a", 0, [[1, 0, 0]], 1, sender=[[-3.0, 4.0]])]
    write_messages(folder / "messages.hdf5", talks, LABELS, seed=3, bits=2, continuous=True)
    found = analyse_run(folder)["parts"]["test"]["by_exchange"]
    assert found["sender_entropy_bits_all"] is None
    assert found["accuracy@1_all"] == [1]


def test_messages_of_another_seed_are_refused(folder):
    write_messages(folder / "messages.hdf5", TALKS, LABELS, seed=4, bits=2)
    with pytest.raises(ParleyError, match=r"seed 4, but evaluation\.json in the same folder is of"):
        analyse_run(folder)


def test_all_parts_are_analysed(tmp_path):
    made = make_experiment(tmp_path, unseen=("emu", "gnu"), seeds=(0,))
    analysis = analyse_run(made.files("messages.hdf5")[0].parent)
    assert list(analysis["parts"]) == ["test", "ood"]
    assert analysis["parts"]["ood"]["labels"] == ["cat", "dog", "owl", "eel", "emu", "gnu"]
    assert analysis["warnings"] == []
    own = made.files("messages.hdf5")[0]
    assert list(analyse_run(own.parent, [own])["parts"]) == ["test"]


def test_seeds_are_pooled_by_sum_and_mean(tmp_path):
    made = make_experiment(tmp_path, seeds=(5, 2, 9))
    analyses = [analyse_run(path.parent) for path in made.files("messages.hdf5")]
    pooled = pool(analyses, "adaptive")
    assert pooled.seeds == [2, 5, 9]
    assert pooled.confusion.tolist() == sum(np.array(a["parts"]["test"]["confusion"]) for a in analyses).tolist()
    accuracies = {a["seed"]: a["parts"]["test"]["accuracy@1"] for a in analyses}
    assert accuracies[pooled.projection.seed] == np.median(list(accuracies.values()))
    assert pool(analyses, "another") is None
    assert pool(analyses, "adaptive", "transfer") is None


def test_seeds_with_different_candidates_are_not_pooled(tmp_path):
    one = make_experiment(tmp_path / "a", seeds=(0,))
    other = make_experiment(tmp_path / "b", seeds=(1,), labels=("cat", "dog"))
    analyses = [analyse_run(path.parent) for made in (one, other) for path in made.files("messages.hdf5")]
    with pytest.raises(ParleyError, match="differ in the candidates"):
        pool(analyses, "adaptive")


def test_mean_over_seeds_ignores_nan():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    assert mean_over_seeds(values) == pytest.approx([2, 5, np.nan], nan_ok=True)


def test_dialogues_of_a_subset_are_reported_as_such_and_not_compared_with_the_evaluation(folder):
    write_evaluation(folder, {"test": evaluation_entry(4000, 3, 2, top1=0.9, topk=0.95)}, seed=3)
    [warning] = analyse_run(folder)["warnings"]
    assert "dialogues on the split test use 4 of its 4,000 images (evaluation.recorded_images)" in warning


def test_too_many_classes_have_everything_but_a_confusion_matrix(folder, monkeypatch):
    whole = analyse_run(folder)
    monkeypatch.setattr("parley.metrics.analysis.MOST_IN_MATRIX", 2)
    found = analyse_run(folder)
    assert found["parts"]["test"].pop("confusion") is None
    del whole["parts"]["test"]["confusion"]
    assert found == whole
