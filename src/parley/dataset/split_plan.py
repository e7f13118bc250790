"""The plan: which part each candidate of a class belongs to, and its rank in that part's reserve.

The plan is made before anything is fetched, so that a dead link moves no other image: its place
is taken by the next of the same part's reserve. What it promises, for the candidates of one class:

1.  Every candidate has a *home*, a part drawn in proportion to the counts from its key and the seed,
    and from nothing else; and a *place*, drawn likewise, by which a part's candidates are ordered.
2.  The first places of each part's reserve, up to its count, go to candidates at home, as long as
    there are so many. Which images a part begins with does not depend on how many more candidates
    there are, nor on other classes, nor on what can be fetched.
3.  Homes drawn at random are uneven, and a small class would be short in one part while another
    had some to spare. So the tails are evened out: a part with more than its share gives up its
    last places, which are put behind the homes of the parts with less; no more candidates leave
    home than must. With at least as many candidates as the counts add up to, each part has its
    count, and what is beyond is shared in the counts' proportion, so that dead links exhaust no
    part long before another.
4.  So a candidate more or less in the list moves at most two others for each part but one, all of
    them from the tails, and none that is at home among its part's first, as long as there are
    as many candidates as the counts add up to.
"""

from __future__ import annotations

import heapq
import itertools
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from parley.core.errors import ParleyError
from parley.dataset.listing import KEY_DIGITS, draw

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path

from parley.core.files import write_table
from parley.core.tables import Located, located_rows, rows_by_offset, stream_classes, stream_table
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import is_key

Counts = Mapping[str, Mapping[str, int]]
"""Images a part, by domain: {"in": {"train": 550, …}, "out": {"ood": 100}, …}."""

PARTS = ("train", "dev", "test", "ood", "transfer")
_DRAWS = 1 << 64


def plan_class(keys: Iterable[str], counts: Mapping[str, int], seed: int) -> dict[str, NDArray[np.int64]]:
    """Give every candidate of a class its part and its rank there.

    Parameters
    ----------
    keys
        The keys of the class's candidates, each once; their order does not matter. Of each, 48 bytes
        are held.
    counts
        Images wanted a part; a part with 0 gets none.
    seed
        The experiment's seed.

    Returns
    -------
    Each part's reserve, in the order of `counts`: the places in `keys` of its candidates, by rank.
    """
    import numpy as np

    by_place, homes = _drawn(keys, counts, seed)
    shares = shares_of(len(homes), counts)
    # From here on a candidate is its number in the order of the places.
    at_home = {part: np.flatnonzero(homes == number) for number, part in enumerate(counts)}
    spare = np.sort(np.concatenate([own[shares[part] :] for part, own in at_home.items()]))
    reserves = {}
    for part, own in at_home.items():
        lacking = max(shares[part] - len(own), 0)
        taken, spare = spare[:lacking], spare[lacking:]
        reserves[part] = by_place[np.concatenate([own[: shares[part]], taken])]
    return reserves


def shares_of(candidates: int, counts: Mapping[str, int]) -> dict[str, int]:
    """Return how many of a class's candidates each part gets, in proportion to the counts.

    Candidates are dealt in rounds, in which a part takes as many turns as its count, spread
    evenly over the round. So one candidate more is one more for one part and none less for any
    other, and from one whole round on every part has its count.
    """
    total = sum(counts.values())
    rounds, rest = divmod(candidates, total) if total else (0, 0)
    turns = heapq.merge(*(_turns(place, part, count) for place, (part, count) in enumerate(counts.items())))
    extra = Counter(part for _, _, part in itertools.islice(turns, rest))
    return {part: rounds * count + extra[part] for part, count in counts.items()}


def needed_images(counts: Counts, domain: str) -> int:
    """Return how many images a class of a domain needs over all its parts."""
    return sum(counts.get(domain, {}).values())


def fetch_target(count: int, margin: float) -> int:
    """Return how many images of a part are fetched: its count, and a margin for duplicates."""
    # Rounded first: 0.07 · 100 is 7.000000000000001 in binary, and its ceiling would be 8.
    return count + math.ceil(round(margin * count, 9))


def _turns(place: int, part: str, count: int) -> Iterator[tuple[float, int, str]]:
    """Yield when in a round, from 0 to 1, a part has its turns; parts at the same time in their order."""
    return (((turn + 0.5) / count, place, part) for turn in range(count))


def _drawn(keys: Iterable[str], counts: Mapping[str, int], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw what a candidate's key decides.

    Returns
    -------
    The candidates' numbers in the order of their places; and, in that order, the numbers of their homes
    among the parts.
    """
    import numpy as np

    text, places, points = bytearray(), array("Q"), array("Q")
    for key in keys:
        if len(key) != KEY_DIGITS:
            raise ParleyError(f"{key!r} is no key of an image, which has {KEY_DIGITS} digits; select the classes anew.")
        text += key.encode()
        places.append(draw(seed, "place", key))
        points.append(draw(seed, "home", key))
    # The key itself breaks a tie between two draws, which 2**64 numbers make a formality.
    by_place = np.lexsort((np.frombuffer(text, dtype=f"S{KEY_DIGITS}"), np.frombuffer(places, dtype=np.uint64)))
    return by_place, _homes(np.frombuffer(points, dtype=np.uint64)[by_place], counts)


def _homes(points: NDArray[np.uint64], counts: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the number of the part that each point is drawn into, in proportion to the counts."""
    import numpy as np

    total = sum(counts.values())
    if not total and len(points):
        raise ParleyError("Every part has the count 0; give at least one part of each domain images.")
    # point / 2**64 < upper / total, in whole numbers: a point is below a bound, or it is not.
    bounds = [-(-upper * _DRAWS // total) for upper in itertools.accumulate(counts.values())] if total else []
    within = np.array([bound for bound in bounds if bound < _DRAWS], dtype=np.uint64)
    return np.searchsorted(within, points, side="right")


def check_topk(evaluation: Mapping[str, Any], classes: Mapping[str, int]) -> list[str]:
    """Say so where accuracy@k would always be 1.

    Parameters
    ----------
    evaluation
        The config's section.
    classes
        Number of classes by domain.
    """
    seen = classes.get("in", 0)
    all_candidates = seen + max(classes.get("out", 0), classes.get("transfer", 0))
    found = []
    if evaluation["k"] > seen:
        found.append(
            f"Config: evaluation.k is {evaluation['k']}, but there are only {seen} in-domain classes; "
            f"set it to {seen} or less."
        )
    if evaluation["k_unseen"] is not None and evaluation["k_unseen"] > all_candidates:
        found.append(
            f"Config: evaluation.k_unseen is {evaluation['k_unseen']}, but unseen and seen classes together are "
            f"at most {all_candidates}; set it to {all_candidates} or less."
        )
    return found


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


def candidate_queues(path: str | Path, wanted: Collection[str]) -> dict[str, dict[str, CandidateQueue]]:
    """Return the reserves of some classes by class and part, in the plan's order.

    The plan is read through once, and nothing of it is held but where each reserve begins.

    Raises
    ------
    ParleyError
        When the rows do not stand together by class and part, or ranks have a gap.
    """
    return {
        name: {part: _candidate_queue(path, name, part, stretch) for part, stretch in _stretches(path, rows)}
        for name, rows in stream_classes(path, ("part", "rank", "key", "url"), wanted)
    }


class CandidateQueue:
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


def _candidate_queue(path: str | Path, name: str, part: str, rows: Iterator[Located]) -> CandidateQueue:
    start, _ = next(rows)
    return CandidateQueue(path, name, part, start, 1 + sum(1 for _ in rows))


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


def _noted(rows: Iterator[Located], starts: array[int]) -> Iterator[str]:
    """Yield the keys of rows, and note where each row begins."""
    for start, (_, key) in rows:
        starts.append(start)
        yield key
