"""Controls: accuracy of a trained run falls to chance when its messages carry no information."""

from pathlib import Path

import pytest
import torch
from easy_runs import TINY, easy

from parley.config.schema import read_schema
from parley.core.errors import ParleyError
from parley.evaluation.any_checkpoint import under_control
from parley.interaction.run import RolloutInputs, rollout_split, score
from parley.interaction.split_data import target_index_of

SCHEMA = read_schema(Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml")


def accuracy(checkpoint):
    _, dev, candidates = easy()
    setup = RolloutInputs(
        checkpoint.agents,
        checkpoint.standardizer.apply(dev.images),
        target_index_of(dev.targets, checkpoint.candidate_ids, "dev"),
        candidates.descriptions,
        checkpoint.game,
        batch_size=24,
    )
    return score(rollout_split(setup).of(0), setup.target_index, 1)["accuracy@1"]


@pytest.mark.slow
def test_messages_of_other_images_bring_accuracy_to_chance(trained):
    assert accuracy(trained) > 0.9
    # 48 images of 4 classes: chance is 0.25 with a standard error of 0.0625.
    assert accuracy(under_control(trained, ["shuffle=sender"], SCHEMA)) < 0.25 + 4 * 0.0625


def test_a_muted_sender_brings_accuracy_to_chance(trained):
    assert accuracy(under_control(trained, ["ignore_sender=true"], SCHEMA)) == 0.25


def test_flipping_every_bit_of_the_sender_lowers_accuracy(trained):
    assert accuracy(under_control(trained, ["corrupt_bits=0:6"], SCHEMA)) < 0.75


def test_weights_and_the_original_checkpoint_are_unchanged(trained):
    other = under_control(trained, ["shuffle=both"], SCHEMA)
    for one, two in zip(trained.agents, other.agents, strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(value, two.state_dict()[name])
    assert trained.agents.sender.settings.shuffle == "none"
    assert trained.game == TINY


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("message_bits=3", "cannot change for a trained run; you can set shuffle"),
        ("shuffle=nobody", "game.shuffle is 'nobody'; it must be one of none"),
        ("corrupt_bits=x", "game.corrupt_bits"),
    ],
)
def test_other_settings_are_an_error(trained, setting, told):
    with pytest.raises(ParleyError, match=told):
        under_control(trained, [setting], SCHEMA)


def test_bits_beyond_the_message_are_an_error(trained):
    with pytest.raises(ParleyError, match="is not valid for messages of 6 bits"):
        accuracy(under_control(trained, ["corrupt_bits=4:9"], SCHEMA))
