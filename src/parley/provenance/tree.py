"""Draw trees of files, connected by the jobs that made them, as indented text with similar files on one line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from parley.core.formats import base_of
from parley.provenance.records import Record, Records

FEW = 3
"""Maximum number of different names that a pattern lists. More names are replaced by `*`."""
NAMED = 2
"""Maximum number of files in a group that are listed by path. A larger group is shown as a pattern."""


class Group(NamedTuple):
    """Files made by jobs of the same rule, or a single file without a record.

    Attributes
    ----------
    paths
        Paths of the files, sorted.
    makers
        Records of the jobs that made the files; empty if no job is recorded.
    """

    paths: tuple[str, ...]
    makers: tuple[Record, ...]

    @property
    def rule(self) -> str:
        """Name of the rule that made the files; empty if no job is recorded."""
        return base_of(self.makers[0].rule) if self.makers else ""

    @property
    def pattern(self) -> str:
        """Pattern that matches all paths of the group."""
        return pattern_of(self.paths)


def grouped(paths: Iterable[str], records: Records) -> list[Group]:
    """Group files by the rule that made them and by their role among its outputs, in order of first appearance."""
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
    """Return one pattern for several paths, with `{a,b}` for up to `FEW` different names, and `*` for more.

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


def draw(
    root: Group,
    neighbours: Callable[[Group], Iterable[str]],
    line: Callable[[Group], str],
    records: Records,
    most_repeated: int | None,
) -> Iterator[str]:
    """Yield the lines of a tree. Each file has one branch, at its first appearance.

    Parameters
    ----------
    root
        Group at the root of the tree. The first branches are its neighbours; the root itself is not drawn.
    neighbours
        Function that returns the files next to a group: the group's inputs, or the files made from the group.
    line
        Function that returns the text of the line for a group.
    records
        Records of the jobs in the working folder.
    most_repeated
        Maximum number of names in a line that repeats files listed elsewhere in the tree; None for no limit.
    """
    listed = set(root.paths)

    def branches(group: Group, indent: str) -> Iterator[str]:
        groups = grouped(neighbours(group), records)
        again = [one for one in groups if listed.issuperset(one.paths)]
        fresh = [one for one in groups if one not in again]
        # All files on this level are marked before any branch is drawn, so that none is listed on a deeper level.
        listed.update(path for one in fresh for path in one.paths)
        for number, one in enumerate(fresh, 1):
            last = number == len(fresh) and not again
            yield f"{indent}{'└─' if last else '├─'} {line(one)}"
            yield from branches(one, indent + ("   " if last else "│  "))
        if again:
            names = [
                name
                for one in again
                for name in (one.paths if len(one.paths) <= NAMED else [f"{len(one.paths)} × {one.pattern}"])
            ]
            shown = names[:most_repeated]
            more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
            yield f"{indent}└─ listed elsewhere: {', '.join(shown)}{more}"

    return branches(root, "")


def inputs_of(group: Group) -> Iterable[str]:
    """Return the paths of the files from which a group of similar files, one line of the tree, was made."""
    return dict.fromkeys(one.path for job in group.makers for one in job.inputs)


def uses_in(jobs: Iterable[Record]) -> Callable[[Group], Iterable[str]]:
    """Return a function that takes a group and returns the files that the given jobs made from it."""
    outputs: dict[str, dict[str, None]] = {}
    for job in jobs:
        for one in job.inputs:
            outputs.setdefault(one.path, {}).update(dict.fromkeys(each.path for each in job.outputs))
    return lambda group: dict.fromkeys(each for path in group.paths for each in outputs.get(path, {}))
