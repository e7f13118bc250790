"""Descriptions of their own in evaluation: read there, and nowhere else."""

import pytest
import torch
from easy_runs import TINY, easy

from parley.core.errors import ParleyError
from parley.game.settings import TrainingSettings
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
    """The same classes, each described as the next one is."""
    _, _, candidates = easy()
    return Candidates(candidates.labels, Descriptions(candidates.descriptions.vectors.roll(1, 0)))


@pytest.mark.slow
def test_the_dev_part_is_answered_by_them_and_training_knows_nothing_of_them():
    alone, beside = trained(), trained(others())
    for one, two in zip(alone.agents, beside.agents, strict=True):
        for mine, its in zip(one.parameters(), two.parameters(), strict=True):
            assert torch.equal(mine, its)
    assert alone.evaluate_dev(1)[0][1]["accuracy@1"] > 0.9
    # What was learned is named by another class's description.
    assert beside.evaluate_dev(1)[0][1]["accuracy@1"] < 0.1


def test_a_class_that_they_lack_is_told():
    _, _, candidates = easy()
    fewer = Candidates(candidates.labels[:3], Descriptions(candidates.descriptions.vectors[:3]))
    with pytest.raises(ParleyError, match="images of label 3"):
        trained(fewer, steps=0)
