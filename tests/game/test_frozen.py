"""Frozen agents keep their initial weights while the other networks are trained."""

from dataclasses import replace

import pytest
import torch
from easy_runs import TINY, run, run_all

from parley.game.agents import make_agents
from parley.training.checkpoint import load_checkpoint

CHANNELS, WORD = 16, 20


def changed(folder, seed=1):
    """Return the names of the networks whose weights have changed."""
    checkpoint = load_checkpoint(folder / "checkpoints/00000012.pt")
    first = make_agents(TINY, CHANNELS, WORD, [seed])
    return {
        name
        for name, network in checkpoint.agents._asdict().items()
        if any(
            not torch.equal(now, then)
            for now, then in zip(network.parameters(), getattr(first, name).parameters(), strict=True)
        )
    }


ALL = {"sender", "receiver", "sender_baseline", "receiver_baseline"}


@pytest.mark.parametrize("frozen", [[], ["sender"], ["receiver"], ["sender", "receiver"]], ids=str)
def test_only_frozen_networks_keep_their_weights(tmp_path, frozen):
    run(tmp_path, frozen=tuple(frozen))
    assert changed(tmp_path) == ALL - set(frozen)


def test_frozen_agents_of_several_seeds_keep_their_own_weights(tmp_path):
    run_all([tmp_path / "3", tmp_path / "4"], 12, [3, 4], frozen=("sender",))
    for seed in (3, 4):
        assert changed(tmp_path / str(seed), seed) == ALL - {"sender"}


def test_a_frozen_sender_keeps_its_weights_on_a_differentiable_channel(tmp_path):
    run(tmp_path, game=replace(TINY, channel="straight_through"), frozen=("sender",))
    assert "sender" not in changed(tmp_path)
