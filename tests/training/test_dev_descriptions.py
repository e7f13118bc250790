"""Separate descriptions for evaluation are used there, and nowhere else."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from easy_runs import TINY, easy
from game import literal
from game.engine_adapter import NAMES
from game.literal_cases import PLAIN

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings, TrainingSettings
from parley.game.types import Descriptions
from parley.interaction.split_data import Candidates
from parley.training.trainer import Trainer
from parley.training.training_data import build_training_data


def trained(dev_candidates=None, steps=400):
    train, dev, candidates = easy()
    data = build_training_data(train, dev, candidates, TINY, 1, dev_candidates)
    trainer = Trainer(data, TINY, TrainingSettings(batch_size=16, learning_rate=3e-3), [1])
    for step in range(1, steps + 1):
        order = torch.randperm(48, generator=torch.Generator().manual_seed(step))
        trainer.train_step(step, order[None, :16])
    return trainer


def others():
    """The same classes, each with the description of the next one."""
    _, _, candidates = easy()
    return Candidates(candidates.labels, Descriptions(candidates.descriptions.vectors.roll(1, 0)))


@pytest.mark.slow
def test_they_change_dev_results_and_not_training():
    alone, beside = trained(), trained(others())
    for one, two in zip(alone.agents, beside.agents, strict=True):
        for mine, its in zip(one.parameters(), two.parameters(), strict=True):
            assert torch.equal(mine, its)
    assert alone.evaluate_dev(1)[0][1]["accuracy@1"] > 0.9
    # The right class now has another description.
    assert beside.evaluate_dev(1)[0][1]["accuracy@1"] < 0.1


OTHERS = [20, 21, 30]
"""Label ids of classes that are not trained on."""


def made(among, described=(), dev_ids=OTHERS[:2]):
    """Training data with a dev split of other classes, described by a file of evaluation of its own."""
    train, dev, candidates = easy()
    ids = [*described, *OTHERS]
    vectors = torch.randn(len(ids), 20, generator=torch.Generator().manual_seed(3))
    other = Candidates([f"class {label}" for label in ids], Descriptions(vectors), ids)
    dev = dev._replace(targets=torch.tensor(dev_ids).repeat_interleave(24))
    return build_training_data(train, dev, candidates, TINY, 2, other, among), vectors


@pytest.mark.parametrize(
    ("among", "described", "dev_ids", "expected"),
    [
        ("all", (), [20, 21], [20, 21, 30]),
        ("own", (), [20, 21], [20, 21]),
        ("all", (0, 1, 2, 3), [20, 21], [0, 1, 2, 3, 20, 21, 30]),
        ("own", (0, 1, 2, 3), [1, 30], [1, 30]),  # one that is trained on, too
        ("seen", (0, 1, 2, 3), [1, 3], [0, 1, 2, 3]),
    ],
)
def test_the_candidates_on_dev_may_be_other_classes(among, described, dev_ids, expected):
    data, vectors = made(among, described, dev_ids)
    assert data.dev_labels == [f"class {label}" for label in expected]
    ids = [*described, *OTHERS]
    assert torch.equal(data.dev_descriptions.vectors, vectors[[ids.index(label) for label in expected]])
    assert [expected[index] for index in data.dev_target_index.unique()] == dev_ids
    assert data.candidate_ids == [0, 1, 2, 3]
    assert len(data.descriptions.vectors) == 4  # Training chooses among its own classes.
    result = Trainer(data, TINY, TrainingSettings(batch_size=16), [1]).evaluate_dev(2)[0].result
    assert result["candidates"] == len(expected)
    assert result["chance@1"] == 1 / len(expected)


@pytest.mark.parametrize(
    ("among", "described", "sentence"),
    [
        ("seen", (), "The train split contains images of label 0, 1, 2, 3, but"),
        ("seen", (0, 1, 2, 3), "The dev split contains images of label 20, 21, which no candidate has"),
        ("some", (), r"training\.dev_candidates: 'some' is not one of seen, own, all"),
    ],
)
def test_other_classes_are_refused_unless_asked_for(among, described, sentence):
    with pytest.raises(ParleyError, match=sentence):
        made(among, described)


def test_a_dev_class_without_a_description_is_an_error():
    for among, sentence in (("own", "The dev split contains images of label 99, but"), ("all", "label 99, which no")):
        with pytest.raises(ParleyError, match=sentence):
            made(among, dev_ids=[20, 99])


def test_a_k_above_the_candidates_on_dev_is_an_error():
    with pytest.raises(ParleyError, match=r"evaluation\.k is 2, but the dev split has 1 candidates"):
        made("own", dev_ids=[20, 20])


def test_a_class_without_one_is_an_error():
    _, _, candidates = easy()
    fewer = Candidates(candidates.labels[:3], Descriptions(candidates.descriptions.vectors[:3]))
    with pytest.raises(ParleyError, match="images of label 3"):
        trained(fewer, steps=0)


@pytest.mark.parametrize("among", ["seen", "own", "all"])
@pytest.mark.parametrize("preset", ["Fixed", "Adaptive"])
def test_dev_results_among_other_classes_equal_the_literal_game(preset, among):
    game = GameSettings(preset=preset, message_bits=6, max_exchanges=3, standardize="none")
    train, dev, candidates = easy()
    described = [30, 0, 21, 1, 2, 3, 20]
    vectors = torch.randn(7, 20, generator=torch.Generator().manual_seed(4))
    others = Candidates([f"class {label}" for label in described], Descriptions(vectors), described)
    targets = [3, 1] if among == "seen" else [21, 1]
    dev = dev._replace(targets=torch.tensor(targets).repeat_interleave(24))
    data = build_training_data(train, dev, candidates, game, 2, others, among)
    trainer = Trainer(data, game, TrainingSettings(batch_size=16, dev_batch_size=7), [1], precision=torch.float64)
    literal_names = {ours: theirs for theirs, ours in NAMES.items()}
    weights = {
        network: {literal_names.get(key, key): value[0].double().numpy() for key, value in agent.state_dict().items()}
        for network, agent in trainer.agents._asdict().items()
    }
    chosen = {"seen": [0, 1, 2, 3], "own": sorted(targets), "all": described}[among]
    seen_by_receiver = np.array([vectors[described.index(label)].double().numpy() for label in chosen])
    options = SimpleNamespace(**{**PLAIN, "preset": preset, "message_bits": 6, "max_exchanges": 3})
    records = [
        literal.play(options, weights, literal.Example(image.double().numpy(), None, seen_by_receiver))
        for image in dev.images.features
    ]
    right = [chosen.index(label) for label in dev.targets.tolist()]
    log_probs = [
        literal.log_prob_of(record.scores[record.length - 1], target)
        for record, target in zip(records, right, strict=True)
    ]
    result = trainer.evaluate_dev(2)[0].result
    assert result["accuracy@1"] == pytest.approx(literal.accuracy_at(1, records, right), abs=1e-11)
    assert result["accuracy@k"] == pytest.approx(literal.accuracy_at(2, records, right), abs=1e-11)
    assert result["length"] == pytest.approx(np.mean([record.length for record in records]), abs=1e-11)
    assert result["nll"] == pytest.approx(-np.mean(log_probs), abs=1e-11)
