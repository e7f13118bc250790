"""What agents take and give, as named tuples of tensors.

Letters of shapes: B batch, T exchanges, D descriptions, W words of the longest description, E width
of a word vector, d bits of a message, C channels, L cells of a feature map, H the Receiver's state.
"""

from typing import NamedTuple

from torch import Tensor


class Images(NamedTuple):
    """A batch of images as the Sender sees them."""

    features: Tensor
    """``[B, C]``, or ``[B, L, C]`` where the Sender attends to cells."""
    context: Tensor | None = None
    """``[B, 1000]`` logits that help to choose cells; only with visual attention."""

    def take(self, rows: Tensor) -> "Images":
        """Return the images of the given rows."""
        return Images(self.features[rows], None if self.context is None else self.context[rows])


class Descriptions(NamedTuple):
    """The candidates' descriptions, one a class, as the Receiver reads them."""

    vectors: Tensor
    """``[D, E]``: the mean of each description's word vectors."""
    words: Tensor | None = None
    """``[D, W, E]``: the word vectors themselves; only with description attention."""
    is_word: Tensor | None = None
    """``[D, W]`` bool: False where a shorter description is padded."""

    def take(self, candidates: Tensor) -> "Descriptions":
        """Return the descriptions of the given candidates."""
        if self.words is None or self.is_word is None:
            return Descriptions(self.vectors[candidates])
        return Descriptions(self.vectors[candidates], self.words[candidates], self.is_word[candidates])


class Dialogue(NamedTuple):
    """What was said and decided, without gradient; T may end early in training, when all have stopped."""

    sender_bits: Tensor
    """``[T, B, d]`` of 0 and 1."""
    receiver_bits: Tensor
    """``[T, B, d]`` of 0 and 1."""
    go_on: Tensor
    """``[T, B]``: the decision after exchange t, 1 to go on."""
    active: Tensor
    """``[T, B]``: 1 while the dialogue is still on when exchange t begins."""
    sender_probs: Tensor
    """``[T, B, d]``: probability of each Sender bit to be 1."""
    receiver_probs: Tensor
    """``[T, B, d]``: probability of each Receiver bit to be 1."""
    go_on_probs: Tensor
    """``[T, B]``: probability to go on after exchange t."""
    scores: Tensor
    """``[T, B, D]``: raw scores of the candidates after exchange t."""

    @property
    def last(self) -> Tensor:
        """``[B]`` int64: the exchange at which each dialogue stopped, from 0."""
        return self.active.sum(0).long() - 1

    @property
    def final_scores(self) -> Tensor:
        """``[B, D]``: the scores of the exchange at which each dialogue stopped."""
        index = self.last[None, :, None].expand(1, -1, self.scores.shape[-1])
        return self.scores.gather(0, index)[0]


class Replay(NamedTuple):
    """A dialogue gone through again with gradient, all exchanges at once."""

    views: Tensor
    """``[T, B, sender_hidden]``: what the Sender made of the image."""
    sender_probs: Tensor
    """``[T, B, d]``."""
    states: Tensor
    """``[T + 1, B, H]``: the Receiver's state before the first exchange and after each."""
    receiver_probs: Tensor
    """``[T, B, d]``."""
    go_on_probs: Tensor
    """``[T, B]``."""
    final_scores: Tensor
    """``[B, D]``: scores at the exchange where each dialogue stopped."""
