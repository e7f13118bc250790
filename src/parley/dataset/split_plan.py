"""The split plan: which split (`part`) each candidate of a class belongs to, and its rank there.

The plan is made before anything is fetched, so that a dead link moves no other image: the next candidate of the same
split replaces it. For the candidates of one class:

1.  The key and the seed alone decide each candidate's *home*, a split drawn in proportion to the counts, and its
    *position*, a random number that orders the candidates of a split.
2.  Each split begins with its home candidates, up to its count. So its first images do not depend on the number of
    further candidates, on other classes, or on what can be fetched.
3.  Random homes are uneven: a small class could be short in one split while another has candidates to spare. So a
    split with more candidates than its share gives its last ones to the splits with fewer, which rank them after their
    home candidates; no more candidates than necessary leave home. With at least as many candidates as the counts add
    up to, each split has its count, and further candidates are shared in proportion to the counts, so that dead links
    do not exhaust one split long before another.
4.  So with that many candidates, one candidate more or less in the list moves at most two others per split except
    one. They come from the ends of the queues, and none is a home candidate within its split's count.
"""

import heapq
import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import stream_classes, stream_table, write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import draw, is_key

Counts = Mapping[str, Mapping[str, int]]
"""Images per split, by domain: {"in": {"train": 550, …}, "out": {"ood": 100}, …}."""

PARTS = ("train", "dev", "test", "ood", "transfer")
PUBLISHED_COLUMNS = ("class", "key", "part", "rank")
COLUMNS = (*PUBLISHED_COLUMNS, "url")
_DRAWS = 1 << 64


def plan_class(keys: Iterable[str], counts: Mapping[str, int], seed: int) -> dict[str, list[str]]:
    """Give every candidate of a class its split and its rank there.

    Parameters
    ----------
    keys
        The keys of the class's candidates, each once; their order does not matter.
    counts
        Images needed per split; a split with 0 gets none.
    seed
        The experiment's seed.

    Returns
    -------
    The keys of each split by rank, in the order of `counts`.
    """
    keys = list(keys)
    if wrong := [key for key in keys if not is_key(key)]:
        raise ParleyError(f"{wrong[0]!r} is no key of an image; run `snakemake --forcerun select_classes`.")
    # The key itself decides between equal draws.
    ordered = [key for _, key in sorted((draw(seed, "place", key), key) for key in keys)]
    total = sum(counts.values())
    if not total and ordered:
        raise ParleyError("Every part has the count 0; give at least one part of each domain images.")
    # draw / 2**64 < upper / total, in integers.
    bounds = [-(-upper * _DRAWS // total) for upper in itertools.accumulate(counts.values())] if total else []
    homes: list[list[int]] = [[] for _ in counts]
    for index, key in enumerate(ordered):
        homes[bisect_right(bounds, draw(seed, "home", key))].append(index)
    shares = shares_of(len(ordered), counts)
    spare = sorted(index for own, share in zip(homes, shares.values(), strict=True) for index in own[share:])
    queues = {}
    for own, (part, share) in zip(homes, shares.items(), strict=True):
        lacking = max(share - len(own), 0)
        queues[part] = [ordered[index] for index in own[:share] + spare[:lacking]]
        spare = spare[lacking:]
    return queues


def shares_of(candidates: int, counts: Mapping[str, int]) -> dict[str, int]:
    """Return how many of a class's candidates each split gets, in proportion to the counts.

    Deals the candidates in rounds. In a round each split has as many turns as its count, spread evenly over the
    round. So with one candidate more, one split gets one more and no other gets fewer; and after one whole round every
    split has its count.
    """
    total = sum(counts.values())
    rounds, rest = divmod(candidates, total) if total else (0, 0)
    turns = (
        [((turn + 0.5) / count, number, part) for turn in range(count)]
        for number, (part, count) in enumerate(counts.items())
    )
    extra = Counter(part for _, _, part in itertools.islice(heapq.merge(*turns), rest))
    return {part: rounds * count + extra[part] for part, count in counts.items()}


def needed_images(counts: Counts, domain: str) -> int:
    """Return how many images a class of a domain needs over all its splits."""
    return sum(counts.get(domain, {}).values())


def fetch_target(count: int, margin: float) -> int:
    """Return how many images of a split to fetch: its count, and a margin for duplicates."""
    # Rounded first: 0.07 * 100 is 7.000000000000001 in binary, and its ceiling would be 8.
    return count + math.ceil(round(margin * count, 9))


def check_topk(evaluation: Mapping[str, Any], classes: Mapping[str, int]) -> list[str]:
    """Return the problems with the `k` of accuracy@k: values for which it would always be 1.

    Parameters
    ----------
    evaluation
        The config section `evaluation`.
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


def write_plan(
    candidates: str | Path, classes: Sequence[ImageClass], counts: Counts, seed: int, destination: str | Path
) -> None:
    """Write the plan of all classes as a TSV: class, key, part, rank, url.

    Parameters
    ----------
    candidates
        The table that `parley.dataset.candidates.select` wrote.
    classes
        The class set.
    counts
        Images per split, by domain.
    seed
        The experiment's seed.
    destination
        Where to write.
    """
    domains = {image_class.name: image_class.domain for image_class in classes}

    def rows() -> Iterator[tuple[str, str, str, int, str]]:
        for name, listed in stream_classes(candidates, ("key", "url"), domains):
            urls = {key: url for _, key, url in listed}
            for part, keys in plan_class(urls, counts.get(domains[name], {}), seed).items():
                for rank, key in enumerate(keys):
                    yield name, key, part, rank, urls[key]

    write_table(destination, COLUMNS, rows())


def publish_plan(plan: str | Path, destination: str | Path) -> None:
    """Write a plan without its URLs, for publication."""
    write_table(destination, PUBLISHED_COLUMNS, stream_table(plan, PUBLISHED_COLUMNS))


def stream_plan(
    path: str | Path, wanted: Collection[str] | None = None
) -> Iterator[tuple[str, Iterator[tuple[str, Iterator[str]]]]]:
    """Yield `(class, parts)`, where `parts` yields `(part, keys)`, the keys by rank; keeps one row in memory.

    Rows that are not consumed are skipped when the next class or part is requested.

    Raises
    ------
    ParleyError
        If the rows are not grouped by class and part, or ranks have a gap.
    """
    for name, rows in stream_classes(path, ("part", "rank", "key"), wanted):
        yield name, ((part, (key for *_, key in of_part)) for part, of_part in _parts(path, rows))


def candidate_queues(path: str | Path, wanted: Collection[str]) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Return key and URL of the candidates of some classes, by class, part and rank, in the plan's order.

    Raises
    ------
    ParleyError
        If the rows are not grouped by class and part, ranks have a gap, or a key is not valid.
    """
    queues: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for name, rows in stream_classes(path, ("part", "rank", "key", "url"), wanted):
        queues[name] = {}
        for part, of_part in _parts(path, rows):
            queues[name][part] = [(key, url) for *_, key, url in of_part]
            # Keys become names of files in the cache and in a tar.
            if wrong := [key for key, _ in queues[name][part] if not is_key(key)]:
                raise ParleyError(
                    f"{path}, class {name!r}, part {part} has {wrong[0]!r}, which is no key of an image; "
                    "remove the file and run again."
                )
    return queues


def _parts(path: str | Path, rows: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, Iterator[tuple[str, ...]]]]:
    """Yield the parts of a class, each with its rows, which start with class, part and rank."""
    seen: set[str] = set()
    for (name, part), of_part in itertools.groupby(rows, key=lambda row: row[:2]):
        whose = f"{path}, class {name!r}, part {part}"
        if part in seen:
            raise ParleyError(f"{whose}: the rows are not contiguous; remove the file and run again.")
        seen.add(part)
        yield part, _without_gap(whose, of_part)


def _without_gap(whose: str, rows: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for expected, row in enumerate(rows):
        if row[2] != str(expected):
            raise ParleyError(f"{whose}: the ranks have a gap; remove the file and run again.")
        yield row
