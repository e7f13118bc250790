"""The linear classifier: its minimum, its penalty, and classes of known difficulty."""

import csv
import json

import h5py
import numpy as np
import pytest
import torch
from original_files import write_part
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_fscore_support

from parley.analysis import difficulty
from parley.analysis.difficulty import COLUMNS, GRADIENT, PENALTIES, Split, choose, fit, write_difficulty
from parley.core.errors import ParleyError
from parley.text.descriptions import Description, write_descriptions

CLASSES = 4


def made(per_class, apart, channels=6, seed=0, labels=range(CLASSES), part=0):
    """Classes whose means lie `apart` standard deviations from zero, in random directions."""
    means = apart * np.random.default_rng(seed).normal(size=(max(labels) + 1, channels)) / np.sqrt(channels)
    targets = np.repeat(list(labels), per_class)
    return means[targets] + np.random.default_rng([seed, part]).normal(size=(len(targets), channels)), targets


def model(**options):
    return LogisticRegression(solver="newton-cg", tol=GRADIENT, **options)


@pytest.mark.parametrize("classes", [2, CLASSES])
@pytest.mark.parametrize("penalty", [1.0, 0.1, 0.001, 0.00001])
def test_the_gradient_of_the_penalised_nll_is_zero(penalty, classes):
    train = Split(*made(40, 1.5, labels=range(classes)))
    features, targets = map(torch.from_numpy, train)
    found = fit(train, classes, penalty, model())
    weight, bias = (torch.from_numpy(values).requires_grad_() for values in found)
    nll = torch.nn.functional.cross_entropy(features @ weight.T + bias, targets)
    (nll + penalty / 2 * weight.square().sum()).backward()
    gradient = max(weight.grad.abs().max().item(), bias.grad.abs().max().item())
    assert gradient <= GRADIENT
    assert difficulty.largest_gradient(found, train, penalty) == pytest.approx(gradient, rel=1e-6)


def test_a_fit_is_the_same_each_time_and_wherever_it_begins():
    train = Split(*made(20, 1.0))
    first, again = (fit(train, CLASSES, 0.01, model()) for _ in range(2))
    np.testing.assert_array_equal(first.weight, again.weight)
    warm = model(warm_start=True)
    fit(train, CLASSES, 1.0, warm)
    np.testing.assert_allclose(fit(train, CLASSES, 0.01, warm).weight, first.weight, atol=1e-3)


def test_a_single_class_is_always_right():
    train = Split(*made(9, 1.0, labels=[0]))
    assert choose(train, train, 1).candidates[0] == {"penalty": 1.0, "dev_nll": 0.0, "largest_gradient": 0.0}


def test_the_penalty_with_the_best_dev_result_is_chosen():
    train, dev = Split(*made(10, 1.0)), Split(*made(50, 1.0, part=1))
    chosen = choose(train, dev, CLASSES)
    nlls = {one["penalty"]: one["dev_nll"] for one in chosen.candidates}
    assert tuple(nlls) == PENALTIES[: len(nlls)]
    assert chosen.penalty == min(nlls, key=nlls.__getitem__)
    for penalty, nll in nlls.items():
        alone = fit(train, CLASSES, penalty, model())
        expected = torch.nn.functional.cross_entropy(*map(torch.from_numpy, (alone.scores(dev.features), dev.targets)))
        assert nll == pytest.approx(expected.item(), abs=1e-4)
    np.testing.assert_allclose(chosen.classifier.weight, fit(train, CLASSES, chosen.penalty, model()).weight, atol=1e-3)
    # Few noisy images take a strong penalty, and many clear ones a weak one.
    assert choose(Split(*made(200, 4.0)), Split(*made(50, 4.0, part=1)), CLASSES).penalty < chosen.penalty


def test_fits_that_do_not_converge_are_counted_in_a_warning(monkeypatch, caplog):
    train, dev = Split(*made(40, 1.0)), Split(*made(50, 1.0, part=1))
    assert all(one["largest_gradient"] <= GRADIENT for one in choose(train, dev, CLASSES).candidates)
    assert not caplog.records
    monkeypatch.setattr(difficulty, "ITERATIONS", 1)
    choose(train, dev, CLASSES, [1.0, 0.1])
    assert (
        "2 of 2 fits of the linear classifier did not converge (largest gradient over 1e-06 nats). Their penalties: 1 ("
        in caplog.text
    )


def test_penalties_are_tried_until_the_dev_result_has_become_worse_twice():
    train, dev = Split(*made(10, 1.0)), Split(*made(50, 1.0, part=1))
    nlls = [one["dev_nll"] for one in choose(train, dev, CLASSES).candidates]
    assert len(nlls) < len(PENALTIES)
    assert nlls[-3] < nlls[-2] < nlls[-1]
    assert not any(one < two < three for one, two, three in zip(nlls, nlls[1:], nlls[2:-1], strict=False))


def written(folder, parts, labels=CLASSES, layer="pooled"):
    for name, (features, targets) in parts.items():
        write_part(folder / f"{name}.hdf5", features, targets)
    described = [Description(label, f"class {label}", "a b") for label in range(labels)]
    write_descriptions(folder / "descriptions.csv", described)
    paths = {name: str(folder / f"{name}.hdf5") for name in parts}
    write_difficulty(paths, folder / "descriptions.csv", [layer], folder / "d.csv", folder / "d.json")
    with (folder / "d.csv").open(newline="") as stream:
        return list(csv.DictReader(stream)), json.loads((folder / "d.json").read_text())


def test_label_ids_with_gaps_change_nothing_but_the_ids(tmp_path):
    ids = [5, 6, 40, 10**9, 10**17][:CLASSES]
    parts = three(3.0)
    (tmp_path / "gaps").mkdir()
    rows, found = written(tmp_path, parts)
    moved = {name: (features, np.array(ids)[targets]) for name, (features, targets) in parts.items()}
    write = [Description(ids[label], f"class {label}", "a b") for label in range(CLASSES)]
    for name, (features, targets) in moved.items():
        write_part(tmp_path / f"gaps/{name}.hdf5", features, targets)
    write_descriptions(tmp_path / "gaps/descriptions.csv", write)
    paths = {name: str(tmp_path / f"gaps/{name}.hdf5") for name in moved}
    out = [tmp_path / "gaps" / name for name in ("descriptions.csv", "d.csv", "d.json")]
    write_difficulty(paths, out[0], ["pooled"], out[1], out[2])
    assert json.loads(out[2].read_text()) == found
    with out[1].open(newline="") as stream:
        again = list(csv.DictReader(stream))
    assert again == [{**row, "label_id": str(ids[int(row["label_id"])])} for row in rows]


def three(apart, labels=range(CLASSES)):
    return {name: made(30, apart, labels=labels, part=part) for part, name in enumerate(("train", "dev", "test"))}


def test_separable_classes_are_classified_and_identical_ones_are_not(tmp_path):
    _, easy = written(tmp_path, three(12.0))
    assert easy["parts"]["test"]["accuracy"] == easy["parts"]["test"]["macro_f1"] == 1
    _, hard = written(tmp_path, three(0.0))
    # 120 images of four classes: chance is 0.25 with a standard error of 0.04.
    assert abs(hard["parts"]["test"]["accuracy"] - 0.25) < 0.16
    assert hard["parts"]["test"]["nll"] == pytest.approx(np.log(4), abs=0.05)


def test_invariant_to_scale_and_constant_channels(tmp_path):
    parts = three(1.5)
    _, plain = written(tmp_path, parts)
    scaled = {
        name: (np.c_[features * [1, 1000, 0.001, 1, 1, 1] + 5, np.full(len(targets), 3.0)], targets)
        for name, (features, targets) in parts.items()
    }
    _, other = written(tmp_path, scaled)
    for part, found in plain["parts"].items():
        assert other["parts"][part] == pytest.approx(found, abs=1e-3)


def test_each_class_has_one_row_per_split(tmp_path):
    # Label 1 is of no class of the train split: labels need not follow each other.
    rows, found = written(tmp_path, three(1.0, labels=(0, 2, 3)))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["class"], row["part"]) for row in rows] == [
        (f"class {label}", part) for part in ("train", "dev", "test") for label in (0, 2, 3)
    ]
    assert {row["n"] for row in rows} == {"30"}
    for part in found["parts"]:
        own = [row for row in rows if row["part"] == part]
        assert np.mean([float(row["recall"]) for row in own]) == pytest.approx(found["parts"][part]["accuracy"])
        assert np.mean([float(row["f1"]) for row in own]) == pytest.approx(found["parts"][part]["macro_f1"])
    assert found["parts"]["test"]["chance"] == pytest.approx(1 / 3)


def test_scores_of_classes_are_those_of_scikit_learn(tmp_path, monkeypatch):
    kept = {}
    monkeypatch.setattr(difficulty, "choose", lambda *given: kept.setdefault("chosen", choose(*given)))
    parts = three(1.0)
    rows, _ = written(tmp_path, parts)
    features, targets = parts["test"]
    train = parts["train"][0].astype(np.float32).astype(float)
    seen = (features.astype(np.float32) - train.mean(axis=0)) / train.std(axis=0)
    guessed = kept["chosen"].classifier.scores(seen).argmax(axis=-1)
    expected = precision_recall_fscore_support(targets, guessed)
    own = [row for row in rows if row["part"] == "test"]
    for name, values in zip(("precision", "recall", "f1", "n"), expected, strict=True):
        assert [float(row[name]) for row in own] == pytest.approx(values.tolist())


def test_invalid_inputs_are_refused(tmp_path):
    parts = three(1.0)
    with pytest.raises(ParleyError, match=r"has no vectors \(map\), only .*; add one"):
        written(tmp_path, parts, layer="map")
    with pytest.raises(ParleyError, match=r"label 3, which .*descriptions\.csv does not describe"):
        written(tmp_path, parts, labels=3)
    with pytest.raises(ParleyError, match=r"test\.hdf5 contains images of label 3, which .*train\.hdf5 lacks"):
        written(tmp_path, {**parts, "train": made(40, 1.0, labels=range(3)), "dev": made(9, 1.0, labels=range(3))})
    with h5py.File(tmp_path / "train.hdf5", "a") as file:
        file["layer4_2"] = np.zeros((120, 1, 6, 2, 2), np.float32)
    paths = {"train": str(tmp_path / "train.hdf5")}
    with pytest.raises(ParleyError, match=r"has no vectors \(map\), only"):
        write_difficulty(paths, tmp_path / "descriptions.csv", ["map"], tmp_path / "d.csv", tmp_path / "d.json")


def test_the_first_layer_of_vectors_is_used(tmp_path):
    parts = three(3.0)
    _, expected = written(tmp_path, parts)
    for name in parts:
        with h5py.File(tmp_path / f"{name}.hdf5", "a") as file:
            file.move("avgpool_512", "clip_b32")
            file["layer4_2"] = np.zeros((len(parts[name][1]), 1, 6, 2, 2), np.float32)
    paths = {name: str(tmp_path / f"{name}.hdf5") for name in parts}
    layers = ["pooled", "map", "logits", "clip_b32"]
    write_difficulty(paths, tmp_path / "descriptions.csv", layers, tmp_path / "d.csv", tmp_path / "d.json")
    assert json.loads((tmp_path / "d.json").read_text()) == {**expected, "layer": "clip_b32"}


@pytest.mark.parametrize(("labels", "told"), [([0, 3], "3"), ([4, 5], "4, 5")])
def test_a_dev_split_of_other_classes_cannot_select_the_penalty(tmp_path, labels, told):
    train = made(9, 1.0, labels=range(3))
    sentence = rf"dev\.hdf5 contains images of label {told}, which .*train\.hdf5 lacks, so the linear classifier"
    with pytest.raises(ParleyError, match=sentence):
        written(tmp_path, {"train": train, "dev": made(9, 1.0, labels=labels), "test": train}, labels=6)
