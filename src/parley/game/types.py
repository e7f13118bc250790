"""Inputs and outputs of the agents, as named tuples of tensors.

Letters in shapes: S seeds, B images (one dialogue each) in a batch, T exchanges, M dialogues processed in an exchange,
N turns (a turn is one exchange of one dialogue), D descriptions, W words of the longest description, E width of a word
vector, d bits of a message, C channels, L cells of a feature map, H width of the Receiver's state.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Images(NamedTuple):
    """A batch of image features, the Sender's input."""

    features: Tensor
    """``[S, B, C]``, or ``[S, B, L, C]`` with visual attention. Without S, all seeds use the same images."""
    context: Tensor | None = None
    """``[S, B, 1000]``: the image classifier's logits, the context vector of visual attention; None without it."""

    def take(self, rows: Tensor) -> "Images":
        """Return the images of the given rows. The fields must not have the dimension S."""
        return Images(self.features[rows], None if self.context is None else self.context[rows])

    def of_seeds(self, seeds: int, dimensions: int) -> "Images":
        """Return the images with the dimension S; add it unless the features already have `dimensions` dimensions."""
        if self.features.dim() == dimensions:
            return self
        context = None if self.context is None else self.context.expand(seeds, *self.context.shape)
        return Images(self.features.expand(seeds, *self.features.shape), context)


class Descriptions(NamedTuple):
    """Descriptions of the candidate classes, one per class: the Receiver's input."""

    vectors: Tensor
    """``[D, E]``: the mean of each description's word vectors."""
    words: Tensor | None = None
    """``[D, W, E]``: each description's word vectors, padded with zeros; None without description attention."""
    is_word: Tensor | None = None
    """``[D, W]`` bool: true for words, false for padding; None without description attention."""

    def take(self, candidates: Tensor) -> "Descriptions":
        """Return the descriptions of the given candidates."""
        return Descriptions(*(None if part is None else part[candidates] for part in self))  # type: ignore[arg-type]


class RandomDraws(NamedTuple):
    """Uniform random numbers for a batch: a bit is sampled as 1, or flipped, if its number is below the probability."""

    decisions: Tensor | None
    """``[S, T, B, 2d + 1]``: for the Sender's bits, the Receiver's bits and the stop bit, in this order. If None,
    probabilities are rounded."""
    flips: Tensor | None = None
    """``[S, T, B, 2d]``: for flipping the Sender's bits, then the Receiver's; None if no bits are flipped."""


Draws = RandomDraws
"""Name under which `parley.game` exports `RandomDraws`."""


class Dialogue(NamedTuple):
    """Messages, decisions and scores of all T exchanges, without gradient.

    With S seeds, each field has an additional first dimension S. `of` returns one seed's dialogues, with the shapes
    below.
    """

    sender_bits: Tensor
    """``[T, B, d]``: the Sender's messages as the Receiver receives them: bits, or numbers on a continuous channel."""
    receiver_bits: Tensor
    """``[T, B, d]``: the Receiver's messages as the Sender receives them."""
    go_on: Tensor
    """``[T, B]``: the Receiver's decision after exchange t, 1 to continue and 0 to stop."""
    active: Tensor
    """``[T, B]``: 1 if the dialogue is still active when exchange t begins, else 0."""
    sender_probs: Tensor
    """``[T, B, d]``: probability that each bit of the Sender is 1; on a continuous channel, the message it sent."""
    receiver_probs: Tensor
    """``[T, B, d]``: the same for the Receiver."""
    go_on_probs: Tensor
    """``[T, B]``: probability of continuing after exchange t."""
    scores: Tensor
    """``[T, B, D]``: the Receiver's scores of the candidates in exchange t, before the softmax."""

    def of(self, seed: int) -> "Dialogue":
        """Return the dialogues of one of the S seeds, by its index."""
        return Dialogue(*(field[seed] for field in self))

    @property
    def all_finite(self) -> bool:
        """Whether all values of all fields are finite."""
        return all(bool(field.isfinite().all()) for field in self)

    @property
    def last(self) -> Tensor:
        """Return the index of each dialogue's last exchange, counted from 0, ``[B]`` int64."""
        return self.active.sum(-2).long() - 1

    @property
    def final_scores(self) -> Tensor:
        """Return the scores at the last exchange of each dialogue, ``[B, D]``."""
        index = self.last[..., None, :, None].expand(*self.scores.shape[:-3], 1, -1, self.scores.shape[-1])
        return self.scores.gather(-3, index).squeeze(-3)

    @property
    def summary(self) -> "DialogueSummary":
        """Return the dialogues of one seed (without the dimension S) with only the scores at their last exchange."""
        finite = self.all_finite
        # If a value is not finite, the decisions may be wrong, so the last exchange is unknown: exchange T is used.
        scores = self.final_scores if finite else self.scores[-1]
        finite_rows = torch.full(scores.shape[:1], finite, device=scores.device)
        return DialogueSummary(self.sender_bits, self.receiver_bits, self.go_on, self.active, scores, finite_rows)


class DialogueSummary(NamedTuple):
    """Dialogues of one seed, with only the scores at the last exchange, which take 1/T of the memory of all scores."""

    sender_bits: Tensor
    receiver_bits: Tensor
    go_on: Tensor
    active: Tensor
    """``[T, B]``. This field and those above are the same as in `Dialogue`."""
    final_scores: Tensor
    """``[B, D]``: scores at the last exchange of each dialogue; at exchange T if any value is not finite."""
    finite: Tensor
    """``[B]`` bool: whether all values of the image's batch are finite, including the scores that were dropped."""

    @property
    def all_finite(self) -> bool:
        """Whether all values of all batches are finite."""
        return bool(self.finite.all())
