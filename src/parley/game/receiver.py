"""The Receiver: reads the descriptions, listens, asks back, and decides when it has heard enough."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from parley.game.attention import AdditiveAttention, Glance, attend
from parley.game.gru import Memory
from parley.game.layers import Linear, initialise, linear
from parley.game.pairwise_scorer import pair_scores
from parley.game.settings import GameSettings
from parley.game.turns import Layout, pick
from parley.game.types import Descriptions


class Known(NamedTuple):
    """The part of reading the descriptions that does not depend on the conversation."""

    descriptions: Descriptions
    projected: Tensor
    """``[S, D, hidden]``, with description attention ``[S, D·W, hidden]``: their half of the score's first layer."""
    keys: Tensor | None = None
    """``[S, 1, D·W, attention_hidden]``: projected words; only with description attention."""


class Reading(NamedTuple):
    """The descriptions as read in M states; all None where reading does not depend on the state."""

    weights: Tensor | None = None
    """``[S, M, D, W]``: how much each word weighs in its description."""
    glance: Glance | None = None
    """What learning needs of the attention."""


class Receiver(nn.Module):
    """The agent that knows the candidates; S of them side by side, one a seed.

    Parameters
    ----------
    word_size
        Width E of a word vector.
    settings
        The game.
    seeds
        Decide the initial weights, each its own.
    """

    def __init__(self, word_size: int, settings: GameSettings, seeds: Sequence[int] = (0,)) -> None:
        super().__init__()
        hidden, bits, count = settings.receiver_hidden, settings.message_bits, len(seeds)
        self.settings, self.hidden_size = settings, hidden
        self.listen = Memory(count, bits, hidden)
        self.stop = Linear(count, hidden, 1)
        self.score_first = Linear(count, hidden + word_size, hidden)
        self.score_last = Linear(count, hidden, 1)
        self.ask_state = Linear(count, hidden, hidden)
        self.ask_reading = Linear(count, word_size, hidden, bias=False)
        self.ask = Linear(count, hidden, bits)
        self.attention = (
            AdditiveAttention(count, word_size, [hidden], settings.receiver_attention_hidden)
            if settings.description_attention
            else None
        )
        initialise(self, seeds, "receiver")

    def prepare(self, descriptions: Descriptions) -> Known:
        """Project the descriptions, or their words, once for the whole dialogue."""
        seeds = self.stop.weight.shape[0]
        halves = self.score_first.weight[..., self.hidden_size :]
        if self.attention is None:
            return Known(descriptions, linear(descriptions.vectors.expand(seeds, -1, -1), halves))
        words = _words(descriptions).flatten(0, 1).expand(seeds, -1, -1)
        return Known(descriptions, linear(words, halves), self.attention.item(words)[:, None])

    def go_on(self, state: Tensor) -> Tensor:
        """Return logits ``[S, M]`` of going on, from states ``[S, M, H]``."""
        return self.stop(state)[..., 0]  # type: ignore[no-any-return]

    def read(self, known: Known, state: Tensor) -> Reading:
        """Read the descriptions in states ``[S, M, H]``."""
        if self.attention is None or known.keys is None:
            return Reading()
        glance = self.attention.glance(known.keys, self.attention.queries[0](state))
        return Reading(self._weights(known, glance.energies), glance)

    def read_again(self, known: Known, states: Tensor, readings: list[Reading], layout: Layout) -> Reading:
        """Read once more what was read at all turns, in states ``[S, N, H]``, with gradient."""
        if self.attention is None or known.keys is None:
            return Reading()
        glances = [reading.glance for reading in readings if reading.glance is not None]
        energies = self.attention.again(known.keys, self.attention.queries[0](states), glances, layout)
        return Reading(self._weights(known, energies))

    def _weights(self, known: Known, energies: Tensor) -> Tensor:
        words = _words(known.descriptions)
        return attend(energies.unflatten(-1, words.shape[:2]), known.descriptions.is_word)

    def score(self, known: Known, reading: Reading, state: Tensor) -> Tensor:
        """Return raw scores ``[S, M, D]`` of the descriptions in states ``[S, M, H]``.

        The first layer is applied to state and descriptions apart and then added: the same sum
        as on ``[h; d_k]``, without building D copies of the state.
        """
        from_state = linear(state, self.score_first.weight[..., : self.hidden_size], self.score_first.bias)
        weight, bias = self.score_last.weight, self.score_last.bias
        assert bias is not None  # made with one
        if reading.weights is None:
            return pair_scores(from_state, known.projected, weight, bias)
        words = known.projected.unflatten(1, reading.weights.shape[-2:])
        read = torch.einsum("smdw,sdwh->smdh", reading.weights, words)
        return linear(torch.relu(from_state[:, :, None] + read), weight, bias)[..., 0]

    def gist(self, known: Known, reading: Reading, belief: Tensor) -> Tensor:
        """Return the descriptions' mean ``[S, M, E]`` by the belief ``[S, M, D]``, which gets no gradient."""
        if reading.weights is None:
            return belief.detach() @ known.descriptions.vectors
        weighed = belief.detach()[..., None] * reading.weights
        return weighed.flatten(-2) @ _words(known.descriptions).flatten(0, 1)

    def question(self, gist: Tensor, state: Tensor) -> Tensor:
        """Return logits ``[S, M, d]`` of the message, from the gist ``[S, M, E]`` and the state ``[S, M, H]``."""
        return self.ask(torch.tanh(self.ask_state(state) + self.ask_reading(gist)))  # type: ignore[no-any-return]


def of_turns(reading: Reading, places: Tensor) -> Reading:
    """Return the reading of the given turns ``[S, K]``."""
    return Reading(None if reading.weights is None else pick(reading.weights, places))


def _words(descriptions: Descriptions) -> Tensor:
    if descriptions.words is None:
        raise ValueError("description attention needs Descriptions.words and is_word, the words themselves")
    return descriptions.words
