"""How much the conversations about a part take, told before a disk or a memory is full of them.

A conversation holds a score for each candidate at each exchange. Images grow with the classes as candidates do, so that
what all conversations of a part take grows with the square of the classes.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.config.schema import Config, run_settings
from parley.core.errors import ParleyError
from parley.dataset.class_set import IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER, ImageClass


class _Files(NamedTuple):
    """File names of a cgroup version."""

    limit: str
    used: str
    reclaimable: str
    """The line of memory.stat with the bytes of the used memory that the system can reclaim."""


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def free_memory(root: str | Path = "/") -> int | None:
    """Return the bytes of memory still available to this process, or None if unknown.

    Parameters
    ----------
    root
        Folder that contains ``proc`` and ``sys``.
    """
    root = Path(root)
    known = (_machine_free(root), *(_headroom(folder, files) for folder, files in _groups(root)))
    return min((one for one in known if one is not None), default=None)


def _machine_free(root: Path) -> int | None:
    kibibytes = _numbers(root / "proc/meminfo").get("MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """Yield the folders of the control groups that limit this process's memory: its own and its ancestors."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            folders, files = ["sys/fs/cgroup/memory"], _VERSION_1
        elif not controllers:
            folders, files = ["sys/fs/cgroup", "sys/fs/cgroup/unified"], _VERSION_2
        else:
            continue
        # In a container the path may be one of the host and not exist; the container's own group is then the root.
        own = Path(path.lstrip("/"))
        yield from ((root / folder / one, files) for folder in folders for one in (own, *own.parents))


def _headroom(folder: Path, files: _Files) -> int | None:
    """Return the bytes that a group may still use; None if it has no limit."""
    limit, used = _number(folder / files.limit), _number(folder / files.used)
    if limit is None or used is None:
        return None
    return max(0, limit - used + _numbers(folder / "memory.stat").get(files.reclaimable, 0))


def _number(path: Path) -> int | None:
    text = "".join(_lines(path))
    return int(text) if text.isdecimal() else None


def _numbers(path: Path) -> Mapping[str, int]:
    """Parse a file with a name and a number in each line."""
    pairs = (line.split() for line in _lines(path))
    return {words[0]: int(words[1]) for words in pairs if len(words) > 1 and words[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # Other systems have no such files.
        return []


SCORE_BYTES = 4
TIMES_HELD = 3
"""What was said, once more as it is made ready, and in the table that is written."""
TIMES_ENDINGS_HELD = 4
"""Undisturbed, disturbed, disturbed otherwise before; and one to spare."""


def scores_bytes(images: int, exchanges: int, candidates: int) -> int:
    """Return what the scores of conversations take."""
    return SCORE_BYTES * images * exchanges * candidates


def refuse_beyond_memory(images: int, exchanges: int, candidates: int, part: str) -> None:
    """Raise `ParleyError` where the conversations about a part cannot be held in the memory that is free.

    Only the evaluation counts batch by batch; what is written down is held.
    """
    needed = TIMES_HELD * scores_bytes(images, exchanges, candidates)
    _refuse(needed, images, part, f"of {exchanges} exchanges with a score for each of {candidates:,} candidates")


def refuse_endings_beyond_memory(images: int, candidates: int, part: str) -> None:
    """Raise `ParleyError` where the ends of undisturbed and of disturbed conversations about a part cannot be held."""
    needed = TIMES_ENDINGS_HELD * scores_bytes(images, 1, candidates)
    _refuse(needed, images, part, f"disturbed and undisturbed, with their last scores of {candidates:,} candidates")


def _refuse(needed: int, images: int, part: str, what: str) -> None:
    """Raise `ParleyError` where less memory is free than conversations take."""
    free = free_memory()
    if free is None or needed <= free:
        return
    raise ParleyError(
        f"The conversations about the {images:,} images of the part {part}, {what}, take {_told(needed)} of memory, "
        f"and {_told(free)} are free; set evaluation.recorded_images to {_fitting(free * images / needed):,} or fewer."
    )


def refuse_classifier(images: int, classes: int) -> None:
    """Raise `ParleyError` where the free memory cannot hold a linear classifier's scores of the train part."""
    free, needed = free_memory(), 2 * TIMES_HELD * scores_bytes(images, 1, classes)
    if free is not None and needed > free:
        raise ParleyError(
            f"A linear classifier of {classes:,} classes on {images:,} images takes {_told(needed)} of memory, and "
            f"{_told(free)} are free; measure the difficulty on a larger machine, or ask for what else `metrics` makes "
            "by name: `snakemake summary language comparisons interventions agreement`."
        )


def check_disk(config: Config, classes: Sequence[ImageClass], folder: str | Path) -> list[str]:
    """Return a sentence where an experiment's files of conversations would not fit onto the disk that is free.

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set; empty where features are given, the number of which is not known here.
    folder
        Where results are to lie; it need not be there yet.
    """
    needed = each = images = 0
    for run in config["runs"]:
        exchanges = run_settings(config, run["name"])["game"]["max_exchanges"]
        for recorded, candidates in _questions(config, classes):
            of_one = len(config["seeds"]) * scores_bytes(1, exchanges, candidates)
            needed, each = needed + of_one * recorded, each + of_one
            images = max(images, recorded)
    place = next(one for one in (Path(folder).absolute(), *Path(folder).absolute().parents) if one.exists())
    free = shutil.disk_usage(place).free
    if needed <= free:
        return []
    return [
        f"The conversations of {len(config['runs'])} x {len(config['seeds'])} runs, about up to {images:,} images of a "
        f"part and with a score for each candidate at each exchange, would take up to {_told(needed)} in {folder}, and "
        f"{_told(free)} are free; set evaluation.recorded_images to {_fitting(free / each):,} or fewer."
    ]


def memory_mb(config: Config, classes: Sequence[ImageClass]) -> int:
    """Return what a job that holds the largest file of conversations takes besides, in MB; of small ones 0.

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set; empty where features are given, the number of which is not known here.
    """
    most = max(run_settings(config, run["name"])["game"]["max_exchanges"] for run in config["runs"])
    return _rounded_mb(TIMES_HELD * _largest(config, classes, most))


def endings_mb(config: Config, classes: Sequence[ImageClass]) -> int:
    """Return what a job that disturbs conversations takes besides, as `memory_mb` does."""
    return _rounded_mb(TIMES_ENDINGS_HELD * _largest(config, classes, 1))


def _largest(config: Config, classes: Sequence[ImageClass], exchanges: int) -> int:
    """Return the bytes of the scores of the largest part's conversations."""
    questions = _questions(config, classes)
    return max((scores_bytes(images, exchanges, among) for images, among in questions), default=0)


def _rounded_mb(size: float) -> int:
    return int(size / 1e6) // 100 * 100


def _questions(config: Config, classes: Sequence[ImageClass]) -> list[tuple[int, int]]:
    """Return the images and candidates of each file of conversations of one run and seed."""
    counts, most = Counter(one.domain for one in classes), config["evaluation"]["recorded_images"]
    seen, found = counts[IN_DOMAIN], []
    for domain in (IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER):
        for of_class in config["split"][domain].values():
            images = counts[domain] * of_class
            recorded = images if most is None else min(images, most)
            # Unseen classes are asked about among all candidates, and alone.
            among = [seen] if domain == IN_DOMAIN else [seen + counts[domain], counts[domain]]
            found += [(recorded, candidates) for candidates in among]
    return found


def _fitting(images: float) -> int:
    """Return how many images to advise where so many would just fit: half of them, in round numbers."""
    half = max(1, int(images / 2))
    digits = len(str(half))
    return int(f"{half:d}"[:2].ljust(digits, "0"))


def _told(size: float) -> str:
    return f"{size / 1e12:.1f} TB" if size >= 1e12 else f"{size / 1e9:.1f} GB"
