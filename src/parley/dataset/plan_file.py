"""The file of a plan: rows of class, key, part, rank and URL, by class, then part, then rank; too long to hold.

A job that fetches reads no more of it than it tries; settling reads it once through.
"""

import itertools
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import write_table
from parley.core.tables import Located, located_rows, rows_by_offset, stream_classes, stream_table
from parley.dataset.class_set import ImageClass
from parley.dataset.keys import is_key
from parley.dataset.split_plan import Counts, plan_class

PUBLISHED_COLUMNS = ("class", "key", "part", "rank")
COLUMNS = (*PUBLISHED_COLUMNS, "url")
_AT_ONCE = 64  # rows of a reserve


def write_plan(
    candidates: str | Path, classes: Sequence[ImageClass], counts: Counts, seed: int, destination: str | Path
) -> None:
    """Write the plan of all classes as a TSV: class, key, part, rank, url.

    Parameters
    ----------
    candidates
        The table `parley.dataset.candidates.select` wrote.
    classes
        The class set.
    counts
        Images a part, by domain.
    seed
        The experiment's seed.
    destination
        Where to write.
    """
    write_table(destination, COLUMNS, _plan_rows(candidates, classes, counts, seed))


def publish_plan(plan: str | Path, destination: str | Path) -> None:
    """Write a plan without its URLs, as it is published."""
    write_table(destination, PUBLISHED_COLUMNS, stream_table(plan, PUBLISHED_COLUMNS))


def stream_plan(
    path: str | Path, wanted: Collection[str] | None = None
) -> Iterator[tuple[str, Iterator[tuple[str, Iterator[str]]]]]:
    """Yield `(class, parts)` from a plan, and from `parts` `(part, keys)`, the keys by rank, holding a row at a time.

    What is not taken of a class or a part is passed over when the next one is asked for.
    """
    for name, rows in stream_classes(path, ("part", "rank", "key"), wanted):
        yield name, ((part, (key for _, (*_, key) in stretch)) for part, stretch in _stretches(path, rows))


def plan_reserves(path: str | Path, wanted: Collection[str]) -> dict[str, dict[str, "Reserve"]]:
    """Return the reserves of some classes by class and part, in the plan's order.

    The plan is read through once, and nothing of it is held but where each reserve begins.

    Raises
    ------
    ParleyError
        When the rows do not stand together by class and part, or ranks have a gap.
    """
    return {
        name: {part: _reserve(path, name, part, stretch) for part, stretch in _stretches(path, rows)}
        for name, rows in stream_classes(path, ("part", "rank", "key", "url"), wanted)
    }


class Reserve:
    """The candidates of one part of a class, read from the plan as they are asked for, one after another.

    Parameters
    ----------
    path
        The plan.
    name, part
        The class and its part.
    start
        Where the first row begins, in bytes.
    candidates
        How many rows there are.
    """

    def __init__(self, path: str | Path, name: str, part: str, start: int, candidates: int) -> None:
        self._path, self._name, self._part = path, name, part
        self._start, self._candidates = start, candidates
        self._next_rank = 0
        self._rows: deque[tuple[str, ...]] = deque()

    def __len__(self) -> int:
        return self._candidates

    def __getitem__(self, rank: int) -> tuple[str, str]:
        """Return key and URL of a candidate: of the first one, and then always of the next."""
        if rank >= self._candidates:
            raise IndexError(rank)
        if rank != self._next_rank:
            raise ValueError(f"rank {rank} is asked for where {self._next_rank} is next")
        if not self._rows:
            self._read_on()
        name, key, part, told, url = self._rows.popleft() if self._rows else ("",) * len(COLUMNS)
        if (name, part, told) != (self._name, self._part, str(rank)):
            raise ParleyError(f"{self._path} changed while it was read; run again.")
        if not is_key(key):
            # It would name a file of the cache and of a tar.
            raise ParleyError(
                f"{self._path}: class {name!r}, part {part}, rank {rank} has {key!r}, which is no key of an image; "
                "remove the file and run again."
            )
        self._next_rank += 1
        return key, url

    def _read_on(self) -> None:
        """Read some rows. The plan is not kept open: there may be more reserves than open files allowed."""
        rows = list(itertools.islice(located_rows(self._path, COLUMNS, self._start), _AT_ONCE + 1))
        if len(rows) > _AT_ONCE:
            self._start, _ = rows.pop()
        self._rows.extend(cells for _, cells in rows)


def _reserve(path: str | Path, name: str, part: str, rows: Iterator[Located]) -> Reserve:
    start, _ = next(rows)
    return Reserve(path, name, part, start, 1 + sum(1 for _ in rows))


def _stretches(path: str | Path, rows: Iterator[Located]) -> Iterator[tuple[str, Iterator[Located]]]:
    """Yield the parts of a class, each with its rows, of class, part, rank and whatever follows."""
    seen: set[str] = set()
    for (name, part), stretch in itertools.groupby(rows, key=_class_and_part):
        whose = f"class {name!r}, part {part}"
        if part in seen:
            raise ParleyError(f"{path}: the rows of {whose}, do not stand together; remove it and run again.")
        seen.add(part)
        yield part, _without_gap(path, whose, stretch)


def _class_and_part(row: Located) -> tuple[str, str]:
    return row[1][0], row[1][1]


def _without_gap(path: str | Path, whose: str, rows: Iterator[Located]) -> Iterator[Located]:
    for expected, row in enumerate(rows):
        if row[1][2] != str(expected):
            raise ParleyError(f"{path}: the ranks of {whose}, have a gap; remove it and run again.")
        yield row


def _plan_rows(
    candidates: str | Path, classes: Sequence[ImageClass], counts: Counts, seed: int
) -> Iterator[tuple[str, str, str, int, str]]:
    domains = {image_class.name: image_class.domain for image_class in classes}
    for name, rows in stream_classes(candidates, ("key",), domains):
        starts = array("Q")
        reserves = plan_class(_noted(rows, starts), counts.get(domains[name], {}), seed)
        with rows_by_offset(candidates, ("key", "url")) as row_at:
            for part, places in reserves.items():
                for rank, place in enumerate(places):
                    key, url = row_at(starts[place])
                    yield name, key, part, rank, url


def _noted(rows: Iterator[Located], starts: "array[int]") -> Iterator[str]:
    """Yield the keys of rows, and note where each row begins."""
    for start, (_, key) in rows:
        starts.append(start)
        yield key
