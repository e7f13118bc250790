"""The Receiver: reads the descriptions, listens, asks back, and decides when it has heard enough."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from parley.game.attention import AdditiveAttention
from parley.game.payloads import Descriptions
from parley.game.settings import GameSettings


class Known(NamedTuple):
    """The part of reading the descriptions that does not depend on the conversation."""

    descriptions: Descriptions
    projected: Tensor | None = None
    """``[D, hidden]``: the description's half of the score's first layer; only without attention."""
    keys: Tensor | None = None
    """``[D, W, attention_hidden]``: projected words; only with description attention."""


class Receiver(nn.Module):
    """The agent that knows the candidates.

    Parameters
    ----------
    word_size
        Width E of a word vector.
    settings
        The game.
    """

    def __init__(self, word_size: int, settings: GameSettings) -> None:
        super().__init__()
        hidden, bits = settings.receiver_hidden, settings.message_bits
        self.hidden_size = hidden
        self.listen = nn.GRU(bits, hidden)
        self.stop = nn.Linear(hidden, 1)
        self.score_first = nn.Linear(hidden + word_size, hidden)
        self.score_last = nn.Linear(hidden, 1)
        self.ask_state = nn.Linear(hidden, hidden)
        self.ask_reading = nn.Linear(word_size, hidden, bias=False)
        self.ask = nn.Linear(hidden, bits)
        self.attention = (
            AdditiveAttention(word_size, [hidden], settings.receiver_attention_hidden)
            if settings.description_attention
            else None
        )

    def prepare(self, descriptions: Descriptions) -> Known:
        """Project the descriptions once for the whole dialogue."""
        if self.attention is None:
            return Known(descriptions, projected=self._score_descriptions(descriptions.vectors))
        return Known(descriptions, keys=self.attention.item(descriptions.words))

    def _score_descriptions(self, vectors: Tensor) -> Tensor:
        return vectors @ self.score_first.weight[:, self.hidden_size :].T

    def update(self, message: Tensor, state: Tensor) -> Tensor:
        """Return the state ``[B, H]`` after one message ``[B, d]``, without cuDNN or packing."""
        return torch.gru_cell(message, state, *self.listen.all_weights[0])

    def go_on(self, state: Tensor) -> Tensor:
        """Return the probability ``[...]`` to go on, from states ``[..., H]``."""
        return self.stop(state).squeeze(-1).sigmoid()  # type: ignore[no-any-return]

    def read(self, known: Known, state: Tensor) -> Tensor:
        """Return the descriptions as read in a state.

        ``[D, E]`` where reading does not depend on the state ``[..., H]``, else ``[..., D, E]``: the
        weighted sum of each description's words.
        """
        if self.attention is None or known.descriptions.words is None or known.keys is None:
            return known.descriptions.vectors
        query = self.attention.queries[0](state)[..., None, None, :]
        weights = self.attention.weights(known.keys, query, known.descriptions.is_word)
        return torch.einsum("...dw,dwe->...de", weights, known.descriptions.words)

    def score(self, known: Known, read: Tensor, state: Tensor) -> Tensor:
        """Return raw scores ``[..., D]`` of the descriptions in states ``[..., H]``.

        The first layer is applied to state and descriptions apart and then added: the same sum
        as on ``[h; d_k]``, without building D copies of the state.
        """
        from_state = nn.functional.linear(state, self.score_first.weight[:, : self.hidden_size], self.score_first.bias)
        from_read = self._score_descriptions(read) if known.projected is None else known.projected
        return self.score_last(torch.relu(from_state[..., None, :] + from_read)).squeeze(-1)  # type: ignore[no-any-return]

    def question(self, belief: Tensor, read: Tensor, state: Tensor) -> Tensor:
        """Return bit probabilities ``[..., d]`` of the message, from the belief ``[..., D]`` over candidates.

        The belief is the softmax of the scores; no gradient goes through it.
        """
        # Without attention all dialogues share one reading of the descriptions.
        shapes = "...d,de->...e" if read.dim() == 2 else "...d,...de->...e"
        reading = torch.einsum(shapes, belief.detach(), read)
        mixed = torch.tanh(self.ask_state(state) + self.ask_reading(reading))
        return self.ask(mixed).sigmoid()  # type: ignore[no-any-return]
