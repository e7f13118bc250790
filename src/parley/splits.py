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

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.classes import ImageClass
from parley.errors import ParleyError
from parley.files import write_table
from parley.keys import draw
from parley.tables import stream_classes

Counts = Mapping[str, Mapping[str, int]]
"""Images a part, by domain: {"in": {"train": 550, …}, "out": {"ood": 100}, …}."""

PARTS = ("train", "dev", "test", "ood", "transfer")
COLUMNS = ("class", "key", "part", "rank")
_DRAWS = 1 << 64
_Placed = tuple[int, str]  # a candidate's place, and its key


class Planned(NamedTuple):
    """One candidate's row of the plan."""

    key: str
    part: str
    rank: int


def plan_class(keys: Collection[str], counts: Mapping[str, int], seed: int) -> list[Planned]:
    """Give every candidate of a class its part and its rank there.

    Parameters
    ----------
    keys
        The keys of the class's candidates, each once; their order does not matter.
    counts
        Images wanted a part; a part with 0 gets none.
    seed
        The experiment's seed.

    Returns
    -------
    Rows by part, in the order of `counts`, and by rank from 0.
    """
    homes: dict[str, list[_Placed]] = {part: [] for part in counts}
    # The key itself breaks a tie between two draws, which 2**64 numbers make a formality.
    for placed in sorted((draw(seed, "place", key), key) for key in keys):
        homes[_home(placed[1], counts, seed)].append(placed)
    shares = shares_of(len(keys), counts)
    spare = sorted(placed for part, home in homes.items() for placed in home[shares[part] :])
    rows = []
    for part, home in homes.items():
        lacking = max(shares[part] - len(home), 0)
        taken, spare = spare[:lacking], spare[lacking:]
        rows += [Planned(key, part, rank) for rank, (_, key) in enumerate(home[: shares[part]] + taken)]
    return rows


def shares_of(candidates: int, counts: Mapping[str, int]) -> dict[str, int]:
    """Return how many of a class's candidates each part gets, in proportion to the counts.

    Candidates are dealt in rounds, in which a part takes as many turns as its count, spread
    evenly over the round. So one candidate more is one more for one part and none less for any
    other, and from one whole round on every part has its count.
    """
    turns = sorted(
        ((turn + 0.5) / count, place, part)
        for place, (part, count) in enumerate(counts.items())
        for turn in range(count)
    )
    rounds, rest = divmod(candidates, len(turns)) if turns else (0, 0)
    shares = {part: rounds * count for part, count in counts.items()}
    for _, _, part in turns[:rest]:
        shares[part] += 1
    return shares


def needed_images(counts: Counts, domain: str) -> int:
    """Return how many images a class of a domain needs over all its parts."""
    return sum(counts.get(domain, {}).values())


def walk_target(count: int, margin: float) -> int:
    """Return how many images of a part are fetched: its count, and a margin for duplicates."""
    # Rounded first: 0.07 · 100 is 7.000000000000001 in binary, and its ceiling would be 8.
    return count + math.ceil(round(margin * count, 9))


def write_plan(
    candidates: str | Path, classes: Sequence[ImageClass], counts: Counts, seed: int, destination: str | Path
) -> None:
    """Write the plan of all classes as a TSV: class, key, part, rank.

    Parameters
    ----------
    candidates
        The table `parley.selection.select` wrote.
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


def plan_by_class(
    path: str | Path, wanted: Collection[str] | None = None
) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield `(class, {part: [key, …]})` from a plan, the keys by rank, holding one class at a time."""
    for name, rows in stream_classes(path, COLUMNS[1:], wanted):
        reserves: dict[str, list[str]] = {}
        for key, part, rank in rows:
            reserve = reserves.setdefault(part, [])
            if rank != str(len(reserve)):
                raise ParleyError(
                    f"{path}: the ranks of class {name!r}, part {part}, have a gap; remove it and run again."
                )
            reserve.append(key)
        yield name, reserves


def _home(key: str, counts: Mapping[str, int], seed: int) -> str:
    """Draw a part in proportion to the counts."""
    point = draw(seed, "home", key) * sum(counts.values())
    for part, upper in zip(counts, itertools.accumulate(counts.values()), strict=True):
        if point < upper * _DRAWS:
            return part
    raise ParleyError("Every part has the count 0; give at least one part of each domain images.")


def _plan_rows(
    candidates: str | Path, classes: Sequence[ImageClass], counts: Counts, seed: int
) -> Iterator[tuple[str, str, str, int]]:
    domains = {image_class.name: image_class.domain for image_class in classes}
    for name, rows in stream_classes(candidates, ["key"], domains):
        for planned in plan_class([key for (key,) in rows], counts.get(domains[name], {}), seed):
            yield name, *planned
