"""Inputs and outputs of the agents, as named tuples of tensors.

Letters in shapes: S seeds, B batch, T exchanges, M dialogues in the batch of one exchange, N turns (a turn is one
exchange of one dialogue), D descriptions, W words of the longest description, E width of a word vector, d bits of a
message, C channels, L cells of a feature map, H width of the Receiver's state.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Images(NamedTuple):
    """A batch of image features, the Sender's input."""

    features: Tensor
    """``[S, B, C]``, or ``[S, B, L, C]`` with visual attention; without S, all seeds get the same images."""
    context: Tensor | None = None
    """``[S, B, 1000]``: logits used as context vector; only with visual attention."""

    def take(self, rows: Tensor) -> "Images":
        """Return the images of the given rows; for images without S."""
        return Images(self.features[rows], None if self.context is None else self.context[rows])

    def of_seeds(self, seeds: int, dimensions: int) -> "Images":
        """Return the images with a first dimension S, added unless features have `dimensions` dimensions."""
        if self.features.dim() == dimensions:
            return self
        context = None if self.context is None else self.context.expand(seeds, *self.context.shape)
        return Images(self.features.expand(seeds, *self.features.shape), context)


class Descriptions(NamedTuple):
    """The candidates' descriptions, one per class, the Receiver's input."""

    vectors: Tensor
    """``[D, E]``: the mean of each description's word vectors."""
    words: Tensor | None = None
    """``[D, W, E]``: the word vectors themselves; only with description attention."""
    is_word: Tensor | None = None
    """``[D, W]`` bool: False for padding."""

    def take(self, candidates: Tensor) -> "Descriptions":
        """Return the descriptions of the given candidates."""
        return Descriptions(*(None if part is None else part[candidates] for part in self))  # type: ignore[arg-type]


class RandomDraws(NamedTuple):
    """Uniform random numbers of a batch: a bit is 1, or flipped, where its number is below its probability."""

    decisions: Tensor | None
    """``[S, T, B, 2d + 1]``: for the Sender's bits, the Receiver's bits, then the stop bit; None to round."""
    flips: Tensor | None = None
    """``[S, T, B, 2d]``: for flipping the Sender's bits, then the Receiver's; only if bits are flipped."""


Draws = RandomDraws
"""Public name of `RandomDraws`."""


class Dialogue(NamedTuple):
    """Messages, decisions and scores of all T exchanges, without gradient.

    With S seeds each field has a first dimension S. `of` returns one seed's dialogues, with the shapes below.
    """

    sender_bits: Tensor
    """``[T, B, d]`` as received: 0 and 1, or real numbers on a continuous channel."""
    receiver_bits: Tensor
    """``[T, B, d]``, likewise."""
    go_on: Tensor
    """``[T, B]``: the decision after exchange t, 1 to go on."""
    active: Tensor
    """``[T, B]``: 1 if the dialogue is still active when exchange t begins."""
    sender_probs: Tensor
    """``[T, B, d]``: probability that each Sender bit is 1; on a continuous channel the message itself."""
    receiver_probs: Tensor
    """``[T, B, d]``: likewise for the Receiver."""
    go_on_probs: Tensor
    """``[T, B]``: probability of going on after exchange t."""
    scores: Tensor
    """``[T, B, D]``: raw scores of the candidates after exchange t."""

    def of(self, seed: int) -> "Dialogue":
        """Return the dialogues of one of the S seeds, by its index."""
        return Dialogue(*(field[seed] for field in self))

    @property
    def all_finite(self) -> bool:
        """Whether all values are finite."""
        return all(bool(field.isfinite().all()) for field in self)

    @property
    def last(self) -> Tensor:
        """``[B]`` int64: the exchange in which each dialogue stopped, from 0."""
        return self.active.sum(-2).long() - 1

    @property
    def final_scores(self) -> Tensor:
        """``[B, D]``: the scores of the exchange in which each dialogue stopped."""
        index = self.last[..., None, :, None].expand(*self.scores.shape[:-3], 1, -1, self.scores.shape[-1])
        return self.scores.gather(-3, index).squeeze(-3)

    @property
    def summary(self) -> "DialogueSummary":
        """One seed's dialogues without the scores of earlier exchanges."""
        finite = self.all_finite
        # If a stop bit is not finite, the last exchange is unknown.
        scores = self.final_scores if finite else self.scores[-1]
        finite_rows = torch.full(scores.shape[:1], finite, device=scores.device)
        return DialogueSummary(self.sender_bits, self.receiver_bits, self.go_on, self.active, scores, finite_rows)


class DialogueSummary(NamedTuple):
    """One seed's dialogues with the final scores only, which take 1/T of the memory of all scores."""

    sender_bits: Tensor
    receiver_bits: Tensor
    go_on: Tensor
    active: Tensor
    """This and the fields above: as in `Dialogue`."""
    final_scores: Tensor
    """``[B, D]``: scores of the exchange in which each dialogue stopped; if a value is not finite, of exchange T."""
    finite: Tensor
    """``[B]`` bool: whether all values of the image's batch are finite, the dropped scores included."""

    @property
    def all_finite(self) -> bool:
        """Whether all values are finite."""
        return bool(self.finite.all())
