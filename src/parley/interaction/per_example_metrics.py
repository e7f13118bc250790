"""Per-image metrics, computed so that the full ``[N, T, K]`` score tensor of a split is never materialised.

Shapes: N images, T exchanges, K candidates. Both N and K grow with the number of classes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.game.types import Dialogue, DialogueSummary
from parley.metrics.exchanges import chance, distances, hits, nll_nats


class BatchBuffer:
    """Tensors of N images, allocated once and filled batch by batch.

    Concatenating a list of batches at the end would need twice the memory and fragment it: for 17,000 images and as
    many candidates, 6 GB could not be returned to the system because small tensors lay in between.

    Parameters
    ----------
    images
        Number of images (N).
    axes
        For each tensor, the index of its image axis.
    """

    def __init__(self, images: int, axes: Sequence[int]) -> None:
        self.images = images
        self.axes = axes
        self.tensors: list[Tensor] | None = None
        """One tensor for each element of `axes`; None before the first batch."""

    def put(self, rows: Tensor, piece: Iterable[Tensor]) -> None:
        """Write the tensors of a batch of B images to the given rows, ``[B]`` int64, along their image axes."""
        pairs = list(zip(self.axes, piece, strict=True))
        if self.tensors is None:
            shapes = [(*each.shape[:axis], self.images, *each.shape[axis + 1 :]) for axis, each in pairs]
            self.tensors = [each.new_empty(shape) for (_, each), shape in zip(pairs, shapes, strict=True)]
        for whole, (axis, each) in zip(self.tensors, pairs, strict=True):
            whole.index_copy_(axis, rows, each)


class PerExample(NamedTuple):
    """Metrics of N dialogues, with one row per image."""

    right: Tensor
    """``[N]``: probability that the target has the highest score if ties are broken at random; 0 or 1 without ties."""
    among: Tensor
    """``[N]``: probability that the target has one of the k highest scores if ties are broken at random."""
    nll: Tensor
    """``[N]``: negative log-likelihood of the target, in nats."""
    active: Tensor
    """``[N, T]``: 1 if the dialogue is still active when exchange t begins, else 0."""
    go_on: Tensor
    """``[N, T]``: decision after exchange t, 1 to continue and 0 to stop."""
    sender_changes: Tensor
    """``[N, T]``: Hamming distance between the Sender's message and its previous message (zeros for the first)."""
    receiver_changes: Tensor
    """``[N, T]``: Hamming distance between the Receiver's message and its previous message (zeros for the first)."""


def per_example(dialogue: Dialogue | DialogueSummary, target_index: Tensor, k: int) -> PerExample:
    """Return the per-image metrics of one seed's dialogues, which must be finite.

    `target_index` ``[N]`` int64 is the index of each target among the candidates, and `k` the K of accuracy@K.
    """
    final, targets = dialogue.final_scores.numpy(), target_index.numpy()
    changes = (distances(bits.numpy()) for bits in (dialogue.sender_bits, dialogue.receiver_bits))
    return PerExample(
        torch.from_numpy(hits(final, targets, 1)),
        torch.from_numpy(hits(final, targets, min(k, final.shape[1]))),
        torch.from_numpy(nll_nats(final, targets)),
        dialogue.active.T,
        dialogue.go_on.T,
        *(torch.from_numpy(each).T for each in changes),
    )


class MetricAccumulator:
    """Accumulate the per-image metrics of one seed over the batches of a split of N images."""

    def __init__(self, images: int) -> None:
        self.buffer = BatchBuffer(images, [0] * len(PerExample._fields))
        self.finite = True

    def add(self, dialogue: Dialogue, rows: Tensor, target_index: Tensor, k: int) -> None:
        """Add the metrics of a batch of B dialogues.

        Parameters
        ----------
        dialogue
            Dialogues of one seed.
        rows, target_index
            ``[B]`` int64: row of each image in the split, and index of its target among the candidates.
        k
            The K of accuracy@K.
        """
        self.finite = self.finite and dialogue.all_finite
        if self.finite:
            self.buffer.put(rows, per_example(dialogue, target_index, k))

    def result(self, k: int, candidates: int, nominal_batch: int | None) -> dict[str, Any] | None:
        """Return the result of `aggregate`, or None if any value of the dialogues is not finite."""
        if not self.finite or self.buffer.tensors is None:
            return None
        return aggregate(PerExample(*self.buffer.tensors), k, candidates, nominal_batch)


def aggregate(metrics: PerExample, k: int, candidates: int, nominal_batch: int | None = None) -> dict[str, Any]:
    """Return the means of per-image metrics as a dictionary, whose keys `parley.interaction.run.score` documents."""
    images, share = len(metrics.right), 1.0
    if nominal_batch is not None:
        share = images / (-(-images // nominal_batch) * nominal_batch)
    k = min(k, candidates)
    return {
        "n": images,
        "candidates": candidates,
        "k": k,
        "accuracy@1": share * float(metrics.right.numpy().mean()),
        "chance@1": chance(1, candidates),
        "accuracy@k": share * float(metrics.among.numpy().mean()),
        "chance@k": chance(k, candidates),
        "nll": float(metrics.nll.numpy().mean()),
        "length": metrics.active.sum(1).double().mean().item(),
        "length_original": (metrics.active * metrics.go_on).sum(1).double().mean().item(),
        "hamming_sender": _mean_change(metrics.sender_changes, metrics.active),
        "hamming_receiver": _mean_change(metrics.receiver_changes, metrics.active),
    }


def _mean_change(changes: Tensor, active: Tensor) -> float | None:
    """Return the mean of `changes` over active exchanges after the first; None if there are no such exchanges."""
    made = active.T[1:].bool()
    return float(changes.T[1:][made].numpy().mean()) if made.any() else None
