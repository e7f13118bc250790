"""What agents take and give, as named tuples of tensors.

Letters of shapes: S seeds, B batch, T exchanges, N turns (pairs of an exchange and a dialogue that are
gone through), D descriptions, W words of the longest description, E width of a word vector, d bits of a
message, C channels, L cells of a feature map, H the Receiver's state.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Images(NamedTuple):
    """A batch of images as the Sender sees them."""

    features: Tensor
    """``[S, B, C]``, or ``[S, B, L, C]`` where the Sender attends to cells; without S, all seeds see the same."""
    context: Tensor | None = None
    """``[S, B, 1000]`` logits that help to choose cells; only with visual attention."""

    def take(self, rows: Tensor) -> "Images":
        """Return the images of the given rows, of images that have no S."""
        return Images(self.features[rows], None if self.context is None else self.context[rows])

    def of_seeds(self, seeds: int, dimensions: int) -> "Images":
        """Return the images with an S, which features of `dimensions` dimensions have."""
        if self.features.dim() == dimensions:
            return self
        context = None if self.context is None else self.context.expand(seeds, *self.context.shape)
        return Images(self.features.expand(seeds, *self.features.shape), context)


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
        return Descriptions(*(None if part is None else part[candidates] for part in self))  # type: ignore[arg-type]


class RandomDraws(NamedTuple):
    """The random numbers of a batch: a bit is 1, or flipped, where its number is below its probability."""

    decisions: Tensor | None
    """``[S, T, B, 2d + 1]``: for the Sender's bits, then the Receiver's, then the stop bit; None to round."""
    flips: Tensor | None = None
    """``[S, T, B, 2d]``: for flipping the Sender's bits, then the Receiver's; only where bits are flipped."""


Draws = RandomDraws
"""Public name of `RandomDraws`."""


class Dialogue(NamedTuple):
    """What was said and decided in all T exchanges, without gradient.

    Of S seeds each field has S first; `of` gives one seed's, and the shapes below.
    """

    sender_bits: Tensor
    """``[T, B, d]`` as they were heard: of 0 and 1, or real numbers where messages are continuous."""
    receiver_bits: Tensor
    """``[T, B, d]`` likewise."""
    go_on: Tensor
    """``[T, B]``: the decision after exchange t, 1 to go on."""
    active: Tensor
    """``[T, B]``: 1 while the dialogue is still on when exchange t begins."""
    sender_probs: Tensor
    """``[T, B, d]``: probability of each Sender bit to be 1; the message itself where it is continuous."""
    receiver_probs: Tensor
    """``[T, B, d]``: likewise of each Receiver bit."""
    go_on_probs: Tensor
    """``[T, B]``: probability to go on after exchange t."""
    scores: Tensor
    """``[T, B, D]``: raw scores of the candidates after exchange t."""

    def of(self, seed: int) -> "Dialogue":
        """Return the dialogues of one of the S seeds, by its place."""
        return Dialogue(*(field[seed] for field in self))

    @property
    def all_finite(self) -> bool:
        """Whether all that was said is finite numbers."""
        return all(bool(field.isfinite().all()) for field in self)

    @property
    def last(self) -> Tensor:
        """``[B]`` int64: the exchange at which each dialogue stopped, from 0."""
        return self.active.sum(-2).long() - 1

    @property
    def final_scores(self) -> Tensor:
        """``[B, D]``: the scores of the exchange at which each dialogue stopped."""
        index = self.last[..., None, :, None].expand(*self.scores.shape[:-3], 1, -1, self.scores.shape[-1])
        return self.scores.gather(-3, index).squeeze(-3)

    @property
    def summary(self) -> "DialogueSummary":
        """One seed's dialogues without the scores before their stop."""
        finite = self.all_finite
        # Where a stop is no number, nobody knows which exchange was the last.
        scores = self.final_scores if finite else self.scores[-1]
        known = torch.full(scores.shape[:1], finite, device=scores.device)
        return DialogueSummary(self.sender_bits, self.receiver_bits, self.go_on, self.active, scores, known)


class DialogueSummary(NamedTuple):
    """What is left of one seed's dialogues without the scores before their stop: of T exchanges, a Tth to hold."""

    sender_bits: Tensor
    receiver_bits: Tensor
    go_on: Tensor
    active: Tensor
    """As of `Dialogue`."""
    final_scores: Tensor
    """``[B, D]``: the scores of the exchange at which each dialogue stopped; where it is not finite, of the last."""
    finite: Tensor
    """``[B]`` bool: whether all that was said in the batch is finite numbers, the scores that are gone among it."""

    @property
    def all_finite(self) -> bool:
        """Whether all that was said is finite numbers."""
        return bool(self.finite.all())
