"""Plan the split (`part`) of each candidate image, and the candidate's rank in this split.

The plan is made before anything is fetched. A dead link is replaced by the next candidate of the same split, so it
does not affect the split of any other image. The candidates of a class are assigned as follows:

1.  Each candidate has a *home*, a split drawn at random with probability proportional to the split's count, and a
    *position*, a random number that orders a split's candidates. Both depend only on the image key, seed and counts.
2.  The first candidates of each split are its home candidates, up to its count. Therefore these do not depend on the
    number of further candidates, on other classes, or on which images can be fetched.
3.  By chance, one split of a small class can have too few home candidates while another has more than it needs.
    Therefore each split has a *share* (see `shares_of`). A split with more home candidates than its share gives the
    last ones to splits with too few for their share, which rank them after their own. If there are at least as many
    candidates as images are needed, each share is at least the split's count. Further candidates are shared in
    proportion to the counts, so that dead links do not exhaust one split long before another.
4.  With S splits, adding or removing one candidate moves at most 2 (S - 1) others to another split. With at least as
    many candidates as needed before and after, no home candidate within its split's count is moved.
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
from parley.core.files import digest_of
from parley.core.tables import stream_classes, stream_table, write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import draw, is_key

Counts = Mapping[str, Mapping[str, int]]
"""Number of images that each class needs, by domain and split: {"in": {"train": 550, …}, "out": {"ood": 100}, …}."""

PARTS = ("train", "dev", "test", "ood", "transfer")
PUBLISHED_COLUMNS = ("class", "key", "part", "rank")
COLUMNS = (*PUBLISHED_COLUMNS, "url")
_DRAWS = 1 << 64


def plan_class(keys: Iterable[str], counts: Mapping[str, int], seed: int) -> dict[str, list[str]]:
    """Assign each candidate of a class to a split, and rank the candidates of each split.

    Parameters
    ----------
    keys
        Keys of the class's candidates, without repetition; their order does not matter.
    counts
        Number of images needed per split; a split with the count 0 gets no candidates.
    seed
        The experiment's seed.

    Returns
    -------
    The keys of each split in order of rank. The splits are in the order of `counts`.
    """
    keys = list(keys)
    if wrong := [key for key in keys if not is_key(key)]:
        raise ParleyError(
            f"{wrong[0]!r} is not a valid image key; run `uv run snakemake --cores 1 --forcerun select_classes`."
        )
    # Candidates with equal draws are ordered by key.
    ordered = [key for _, key in sorted((draw(seed, "place", key), key) for key in keys)]
    total = sum(counts.values())
    if not total and ordered:
        raise ParleyError("Every split has the count 0; give at least one split of each domain a count above 0.")
    # The counts divide [0, 2**64) into one interval per split. The interval that contains the draw gives the home.
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
    """Return the number of a class's candidates that each split gets, in proportion to the counts.

    Candidates are dealt in rounds. In each round, a split receives as many candidates as its count, spread evenly over
    the round. Therefore one more candidate adds one to one share and changes no other share. After one complete round,
    the share of every split is its count.
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
    """Return the number of images that each class of a domain needs, summed over its splits."""
    return sum(counts.get(domain, {}).values())


def fetch_target(count: int, margin: float) -> int:
    """Return the number of images to fetch for a split: its count plus a margin for duplicates."""
    # The product is rounded first: in floating point, 0.07 * 100 is 7.000000000000001, whose ceiling is 8.
    return count + math.ceil(round(margin * count, 9))


def check_topk(evaluation: Mapping[str, Any], classes: Mapping[str, int]) -> list[str]:
    """Return a sentence for each `k` of accuracy@k that is larger than the number of classes to choose from.

    Parameters
    ----------
    evaluation
        The config section `evaluation`, which contains `k` and `k_unseen`.
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
    """Write the split plan of all classes as a TSV with the columns class, key, part, rank and url.

    Parameters
    ----------
    candidates
        Path of the table written by `parley.dataset.candidates.select`.
    classes
        The class set.
    counts
        Number of images that each class needs, by domain (in, out or transfer) and split.
    seed
        The experiment's seed.
    destination
        Path of the TSV to write.
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
    """Write a copy of a split plan without its URLs, for publication."""
    write_table(destination, PUBLISHED_COLUMNS, stream_table(plan, PUBLISHED_COLUMNS))


def stream_plan(
    path: str | Path, wanted: Collection[str] | None = None
) -> Iterator[tuple[str, Iterator[tuple[str, Iterator[str]]]]]:
    """Yield the name and splits of each class of a plan; splits are pairs of a name and its keys in order of rank.

    Keeps one row in memory. Rows that are not consumed are skipped when the next class or split is requested.

    Raises
    ------
    ParleyError
        If the rows are not grouped by class and split, or the ranks have a gap.
    """
    for name, rows in stream_classes(path, ("part", "rank", "key"), wanted):
        yield name, ((part, (key for *_, key in of_part)) for part, of_part in _parts(path, rows))


def candidate_queues(
    path: str | Path, wanted: Collection[str]
) -> Iterator[tuple[str, dict[str, list[tuple[str, str]]]]]:
    """Yield each wanted class's name and candidates. These are lists of (key, URL) in order of rank, by split.

    Raises
    ------
    ParleyError
        If the rows are not grouped by class and split, the ranks have a gap, or a key is invalid.
    """
    for name, rows in stream_classes(path, ("part", "rank", "key", "url"), wanted):
        queues = {}
        for part, of_part in _parts(path, rows):
            queues[part] = [(key, url) for *_, key, url in of_part]
            # Keys are used as file names in the cache and in tars.
            if wrong := [key for key, _ in queues[part] if not is_key(key)]:
                raise ParleyError(
                    f"{path}, class {name!r}, split {part} has {wrong[0]!r}, which is not a valid image key; "
                    "remove the file and run again."
                )
        yield name, queues


def plan_digests(path: str | Path, names: Iterable[str]) -> dict[str, str]:
    """Return a digest of each class's rows of a plan, by class name."""
    empty = {name: digest_of({}) for name in names}
    return empty | {name: digest_of(queues) for name, queues in candidate_queues(path, empty)}


def _parts(path: str | Path, rows: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, Iterator[tuple[str, ...]]]]:
    """Yield each split of a class with its rows. The first cells of a row are class, split (`part`) and rank."""
    seen: set[str] = set()
    for (name, part), of_part in itertools.groupby(rows, key=lambda row: row[:2]):
        whose = f"{path}, class {name!r}, split {part}"
        if part in seen:
            raise ParleyError(f"{whose}: the rows are not contiguous; remove the file and run again.")
        seen.add(part)
        yield part, _without_gap(whose, of_part)


def _without_gap(whose: str, rows: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for expected, row in enumerate(rows):
        if row[2] != str(expected):
            raise ParleyError(f"{whose}: the ranks have a gap; remove the file and run again.")
        yield row
