"""Trees of what was made of what, as indented text: each thing told once."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from parley.provenance.groups import Group, grouped
from parley.provenance.records import Record, Records

Neighbours = Callable[[Group], Sequence[str]]
"""The files that come next to a group's, one way or the other."""
FEW = 2
"""Files that are named each for itself."""
Line = Callable[[Group], str]


class Shape(NamedTuple):
    """How a tree is to be drawn."""

    records: Records
    neighbours: Neighbours
    line: Line
    """What is said of a group."""
    most_told: int | None
    """Names in the line of what was told already; None for all."""


def draw(root: Group, shape: Shape) -> Iterator[str]:
    """Yield the lines of everything next to a group, and of what is next to that, nearest first."""
    yield from _branches(root, shape, "", set(root.paths))


def _branches(group: Group, shape: Shape, indent: str, told: set[str]) -> Iterator[str]:
    groups = grouped(shape.neighbours(group), shape.records)
    again = [one for one in groups if told.issuperset(one.paths)]
    fresh = [one for one in groups if one not in again]
    # Said first of all, so that what two of them share is told under the first and not under itself.
    told.update(path for one in fresh for path in one.paths)
    for number, one in enumerate(fresh, 1):
        last = number == len(fresh) and not again
        yield f"{indent}{'└─' if last else '├─'} {shape.line(one)}"
        yield from _branches(one, shape, indent + ("   " if last else "│  "), told)
    if again:
        names = [name for one in again for name in _names(one)]
        yield f"{indent}└─ as told elsewhere: {_listed(names, shape.most_told)}"


def _names(group: Group) -> Sequence[str]:
    return group.paths if len(group.paths) <= FEW else (f"{len(group.paths)} × {group.pattern}",)


def _listed(names: Sequence[str], most: int | None) -> str:
    shown = list(names[:most])
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def inputs_of(group: Group) -> list[str]:
    """Return what a group's files were made of."""
    return list(dict.fromkeys(one.path for job in group.makers for one in job.inputs))


class Uses:
    """Which files were made of which: the records read the other way round."""

    def __init__(self, jobs: Sequence[Record]) -> None:
        self._outputs: dict[str, dict[str, None]] = {}
        for job in jobs:
            for one in job.inputs:
                self._outputs.setdefault(one.path, {}).update(dict.fromkeys(each.path for each in job.outputs))

    def of(self, group: Group) -> list[str]:
        """Return what was made of a group's files."""
        return list(dict.fromkeys(each for path in group.paths for each in self._outputs.get(path, {})))
