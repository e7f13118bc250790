"""Evaluation sets: which split to evaluate on, and which classes are the candidates."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

CANDIDATES = ("seen", "all", "seen+own", "own")
"""Choices of candidates: the training classes; all described classes; the training classes and the file's own; the
file's own."""

UNSEEN_PARTS = ("ood", "transfer")
"""Splits of classes that were not trained on."""
ALONE = "_alone"
"""Suffix of the evaluation set in which the classes of such a split are the only candidates."""


class EvalSet(NamedTuple):
    """A split and its candidates."""

    name: str
    """Name of the split, with the suffix ``_alone`` if unseen classes are the only candidates."""
    part: str
    candidate_ids: list[int]


def eval_sets(seen: Sequence[int], unseen: Mapping[str, Sequence[int]]) -> list[EvalSet]:
    """Return the evaluation sets of a run, split by split.

    Parameters
    ----------
    seen
        Label ids of the training classes; they are candidates on every split, as in the paper.
    unseen
        Label ids of the classes of ``ood`` and ``transfer``. A split that has some is also evaluated with these alone.
    """
    found = [EvalSet(part, part, list(seen)) for part in ("train", "dev", "test")]
    for part, labels in unseen.items():
        if labels:
            found.append(EvalSet(part, part, [*seen, *labels]))
            found.append(EvalSet(f"{part}{ALONE}", part, list(labels)))
    return found


def candidate_ids(among: str, seen: Sequence[int], own: Sequence[int], described: int) -> list[int]:
    """Return the label ids of the candidates.

    Parameters
    ----------
    among
        One of `CANDIDATES`.
    seen
        Label ids of the training classes; they come first, in their order.
    own
        Label ids of the file's images.
    described
        Number of described classes.
    """
    if among == "own":
        return sorted(own)
    others = {"seen": [], "all": list(range(described)), "seen+own": sorted(own)}[among]
    return [*seen, *(label for label in others if label not in set(seen))]
