"""Draw trees of files and the jobs between them as indented text, with similar files on one line."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from parley.provenance.records import Record, Records

FEW = 3
"""Maximum number of names written out in a pattern."""


class Group(NamedTuple):
    """Files made by jobs of one rule, or without a record.

    Attributes
    ----------
    paths
        The files, sorted.
    makers
        The jobs that made them; empty if none is recorded.
    """

    paths: tuple[str, ...]
    makers: tuple[Record, ...]

    @property
    def rule(self) -> str:
        """The rule; empty if none is recorded."""
        return base_of(self.makers[0].rule) if self.makers else ""

    @property
    def pattern(self) -> str:
        """One pattern for all paths."""
        return pattern_of(self.paths)


def base_of(rule: str) -> str:
    """Return a rule's name without the number of its group of classes or seeds."""
    return re.sub(r"_\d+$", "", rule)


def grouped(paths: Iterable[str], records: Records) -> list[Group]:
    """Group files by the rule that made them and their role, in order of first appearance."""
    kinds: dict[tuple[str, str, str], dict[str, Record | None]] = {}
    for path in paths:
        maker = records.maker_of(path)
        made = maker.output(path) if maker else None
        kind = (base_of(maker.rule), made.role, "") if maker and made else ("", "", path)
        kinds.setdefault(kind, {})[path] = maker
    return [
        Group(tuple(sorted(files)), tuple({one.name: one for one in files.values() if one}.values()))
        for files in kinds.values()
    ]


def pattern_of(paths: Sequence[str]) -> str:
    """Return one pattern for several paths: `{a,b}` for few differing names, `*` for many.

    Examples
    --------
    >>> pattern_of(["runs/a/1/best.pt", "runs/a/2/best.pt"])
    'runs/a/{1,2}/best.pt'
    >>> pattern_of([f"x/{name}.tar" for name in "abcde"])
    'x/*.tar'
    """
    parts = [PurePosixPath(path).parts for path in paths]
    if len({len(one) for one in parts}) > 1:
        shared = [steps[0] for steps in zip(*parts, strict=False) if len(set(steps)) == 1]
        return "/".join([*shared, "**"])
    return "/".join(_one(steps) for steps in zip(*parts, strict=True))


def _one(steps: Sequence[str]) -> str:
    if len(set(steps)) == 1:
        return steps[0]
    suffixes = {PurePosixPath(step).suffix for step in steps}
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    names = dict.fromkeys(step.removesuffix(suffix) for step in steps)
    return f"{{{','.join(names)}}}{suffix}" if len(names) <= FEW else f"*{suffix}"


Neighbours = Callable[[Group], Sequence[str]]
"""The files that come next to a group's, one way or the other."""
NAMED = 2
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
    return group.paths if len(group.paths) <= NAMED else (f"{len(group.paths)} × {group.pattern}",)


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
