"""Separate descriptions for evaluation are used there, and nowhere else."""

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


def test_a_class_without_one_is_an_error():
    _, _, candidates = easy()
    fewer = Candidates(candidates.labels[:3], Descriptions(candidates.descriptions.vectors[:3]))
    with pytest.raises(ParleyError, match="images of label 3"):
        trained(fewer, steps=0)
