"""The most that a dialogue can carry: agents do not exceed it, and a code reaches it."""

import pytest
import torch

from parley.game import Descriptions, GameSettings, Images
from parley.game.agents import make_agents
from parley.game.rollout import rollout
from parley.metrics.bounds import most_accurate


@pytest.mark.parametrize(("bits", "exchanges"), [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize("heard", [True, False])
def test_agents_send_no_more_sequences_than_counted(bits, exchanges, heard):
    game = GameSettings(preset="Fixed", message_bits=bits, max_exchanges=exchanges, ignore_receiver=not heard)
    agents = make_agents(game, 16, 8, seeds=range(5)).to(torch.float64)
    draw = torch.Generator().manual_seed(0)
    for parameter in agents.sender.parameters():
        parameter.data *= 3  # Messages depend more on the received ones than after initialisation.
    images = Images(5 * torch.randn(2000, 16, generator=draw, dtype=torch.float64))
    words = Descriptions(torch.randn(9, 8, generator=draw, dtype=torch.float64))
    sent = rollout(agents.sender, agents.receiver, images, words).sender_bits
    counts = [len(own.transpose(0, 1).flatten(1).unique(dim=0)) for own in sent]
    assert max(counts) <= round(most_accurate(bits, exchanges, 10**6, heard) * 10**6)
    if not heard and exchanges == 3:
        assert torch.equal(sent[:, 1], sent[:, 2])
    if heard and exchanges == 3:  # What is heard lets the Sender send more.
        assert max(counts) > most_accurate(bits, exchanges, 10**6, False) * 10**6


@pytest.mark.parametrize("candidates", [3, 24, 100])
@pytest.mark.parametrize(("bits", "exchanges"), [(1, 1), (1, 2), (2, 3), (3, 2)])
@pytest.mark.parametrize("heard", [True, False])
def test_a_code_reaches_the_bound(bits, exchanges, candidates, heard):
    """The Sender sends digits of the candidate's number: first the first, then the one that the Receiver asks for."""
    base = 2**bits
    sequences = {}
    for candidate in range(candidates):
        asked = [0, *(t if heard else 1 for t in range(1, exchanges))]
        sequences.setdefault(tuple(candidate // base**digit % base for digit in asked), candidate)
    # The Receiver names the first candidate of each sequence.
    assert len(sequences) / candidates == pytest.approx(most_accurate(bits, exchanges, candidates, heard))
