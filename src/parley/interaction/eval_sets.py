"""Among which classes a file's images are named."""

from collections.abc import Sequence

CANDIDATES = ("seen", "all", "seen+own", "own")
"""The classes trained on; every described one; those trained on and the file's own; the file's own alone."""

UNSEEN_PARTS = ("ood", "transfer")
"""Parts of classes that were not trained on."""
ALONE = "_alone"
"""Ends the name of such a part where its own classes are the only candidates."""


def candidate_ids(among: str, seen: Sequence[int], own: Sequence[int], described: int) -> list[int]:
    """Return the label ids of the candidates.

    Parameters
    ----------
    among
        One of `CANDIDATES`.
    seen
        Classes trained on; they come first, in their order.
    own
        Classes of the file's images.
    described
        Number of described classes.
    """
    if among == "own":
        return sorted(own)
    others = {"seen": [], "all": list(range(described)), "seen+own": sorted(own)}[among]
    return [*seen, *(label for label in others if label not in set(seen))]
