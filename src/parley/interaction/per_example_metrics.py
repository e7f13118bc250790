"""What is counted of dialogues image by image, so that a part's scores need never be held together.

Letters of shapes: N images, T exchanges, K candidates. All scores of a part are N·T·K numbers, and N grows with the
classes as K does.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.game.types import Dialogue, DialogueSummary
from parley.interaction.batch_buffer import Whole
from parley.metrics.hamming import distances
from parley.metrics.ranking import chance, hits, nll_nats


class Tally(NamedTuple):
    """What N dialogues came to."""

    right: Tensor
    """``[N]``: whether the best candidate is the right one, as a fraction where ties leave it open."""
    among: Tensor
    """``[N]``: likewise of the k best."""
    nll: Tensor
    """``[N]`` nats."""
    active: Tensor
    """``[N, T]``: 1 while the dialogue is still on when exchange t begins."""
    go_on: Tensor
    """``[N, T]``: the decision after exchange t."""
    sender_changes: Tensor
    """``[N, T]``: bits in which the Sender's message differs from its last."""
    receiver_changes: Tensor
    """``[N, T]``: likewise of the Receiver."""


def tally_of(dialogue: Dialogue | DialogueSummary, places: Tensor, k: int) -> Tally:
    """Count one seed's dialogues with finite scores; `places` ``[N]`` are the targets' among the candidates."""
    final, targets = dialogue.final_scores.numpy(), places.numpy()
    changes = (distances(bits.numpy()) for bits in (dialogue.sender_bits, dialogue.receiver_bits))
    return Tally(
        torch.from_numpy(hits(final, targets, 1)),
        torch.from_numpy(hits(final, targets, min(k, final.shape[1]))),
        torch.from_numpy(nll_nats(final, targets)),
        dialogue.active.T,
        dialogue.go_on.T,
        *(torch.from_numpy(each).T for each in changes),
    )


class Count:
    """One seed's dialogues about N images, counted batch by batch."""

    def __init__(self, images: int) -> None:
        self.tallies = Whole(images, [0] * len(Tally._fields))
        self.finite = True

    def add(self, said: Dialogue, rows: Tensor, places: Tensor, k: int) -> None:
        """Count a batch: which rows of the part its images are, and their targets' places among the candidates."""
        self.finite = self.finite and said.all_finite
        if self.finite:
            self.tallies.put(rows, tally_of(said, places, k))

    def result(self, k: int, candidates: int, nominal_batch: int | None) -> dict[str, Any] | None:
        """Return what `counted` does; None where not all that was said is finite."""
        if not self.finite or self.tallies.tensors is None:
            return None
        return counted(Tally(*self.tallies.tensors), k, candidates, nominal_batch)


def counted(tally: Tally, k: int, candidates: int, nominal_batch: int | None = None) -> dict[str, Any]:
    """Return the entries that `parley.interaction.run.score` describes."""
    images, share = len(tally.right), 1.0
    if nominal_batch is not None:
        share = images / (-(-images // nominal_batch) * nominal_batch)
    k = min(k, candidates)
    return {
        "n": images,
        "candidates": candidates,
        "k": k,
        "accuracy@1": share * float(tally.right.numpy().mean()),
        "chance@1": chance(1, candidates),
        "accuracy@k": share * float(tally.among.numpy().mean()),
        "chance@k": chance(k, candidates),
        "nll": float(tally.nll.numpy().mean()),
        "length": tally.active.sum(1).double().mean().item(),
        "length_original": (tally.active * tally.go_on).sum(1).double().mean().item(),
        "hamming_sender": _mean_change(tally.sender_changes, tally.active),
        "hamming_receiver": _mean_change(tally.receiver_changes, tally.active),
    }


def _mean_change(changes: Tensor, active: Tensor) -> float | None:
    """Return what `parley.metrics.hamming.mean_change` does: the mean over exchanges made, but for the first."""
    made = active.T[1:].bool()
    return float(changes.T[1:][made].numpy().mean()) if made.any() else None
