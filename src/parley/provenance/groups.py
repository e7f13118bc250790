"""Files that are alike, told as one: thirty classes' tars are one line."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from parley.provenance.records import Record, Records

FEW = 3
"""Names that are written out."""


class Group(NamedTuple):
    """Files that jobs of one rule made, or that nobody did.

    Attributes
    ----------
    paths
        Of the files, sorted.
    makers
        The jobs that made them; none where none is on record.
    """

    paths: tuple[str, ...]
    makers: tuple[Record, ...]

    @property
    def rule(self) -> str:
        """The rule; empty where none is on record."""
        return base_of(self.makers[0].rule) if self.makers else ""

    @property
    def pattern(self) -> str:
        """One name for all."""
        return pattern_of(self.paths)


def base_of(rule: str) -> str:
    """Return the name of a rule that the workflow has several of, one for each group of classes or seeds."""
    return re.sub(r"_\d+$", "", rule)


def grouped(paths: Iterable[str], records: Records) -> list[Group]:
    """Return files in groups that one rule made under one kind of name, in the order in which they first come."""
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
    """Return paths as one, with all names where few differ, and `*` for many.

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
