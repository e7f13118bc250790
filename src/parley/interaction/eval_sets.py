"""Evaluation sets: a split to evaluate on, with the candidate classes among which the Receiver chooses."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

CANDIDATES = ("seen", "all", "seen+own", "own")
"""Choices of the candidate classes. ``seen``: the training classes; ``all``: all classes with a description;
``seen+own``: the training classes and those of the evaluated feature file; ``own``: only the classes of that file."""

DEFAULT_K = 6
"""The K of accuracy@K for a checkpoint without a config.json, as in the original implementation."""

UNSEEN_PARTS = ("ood", "transfer")
"""Splits whose classes are not used in training."""
ALONE = "_alone"
"""Suffix of evaluation sets in which the classes of an unseen split are the only candidates."""


class EvalSet(NamedTuple):
    """A split (`part`) and the label ids of the candidate classes."""

    name: str
    """Name of the split, with the suffix ``_alone`` if unseen classes are the only candidates."""
    part: str
    candidate_ids: list[int]


def eval_sets(seen: Sequence[int], unseen: Mapping[str, Sequence[int]]) -> list[EvalSet]:
    """Return the evaluation sets of a run, ordered by split.

    Parameters
    ----------
    seen
        Label ids of the training classes, which are candidates on every split, as in Evtimova et al. (2018).
    unseen
        For ``ood`` and ``transfer``, the label ids of the split's classes. A split is evaluated twice: with training
        and unseen classes as candidates, and with unseen classes only. If it has no classes, it is skipped.
    """
    found = [EvalSet(part, part, list(seen)) for part in ("train", "dev", "test")]
    for part, labels in unseen.items():
        if labels:
            found.append(EvalSet(part, part, [*seen, *labels]))
            found.append(EvalSet(f"{part}{ALONE}", part, list(labels)))
    return found


def candidate_ids(among: str, seen: Sequence[int], own: Sequence[int], described: Sequence[int]) -> list[int]:
    """Return the label ids of the candidates.

    Parameters
    ----------
    among
        One of `CANDIDATES`.
    seen
        Label ids of the training classes; unless `among` is ``own``, they come first, in this order.
    own
        Label ids of the classes of the evaluated feature file.
    described
        Label ids of all classes with a description.
    """
    if among == "own":
        return sorted(own)
    others = {"seen": [], "all": list(described), "seen+own": sorted(own)}[among]
    return [*seen, *(label for label in others if label not in set(seen))]
