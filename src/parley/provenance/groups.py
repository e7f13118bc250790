"""Group similar files, so that the tars of thirty classes are shown on one line."""

import re
from collections.abc import Iterable, Sequence
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
