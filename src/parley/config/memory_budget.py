"""Estimate the memory and disk space that recorded dialogues need, and compare it with the free space in advance.

A dialogue has a score for each candidate class at each exchange. With more classes there are more images and more
candidates, so the size of all dialogues about a split grows with the square of the number of classes.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from parley.config.run_settings import settings_of_runs
from parley.config.schema import Config
from parley.core.errors import ParleyError
from parley.core.formats import file_size
from parley.core.free_memory import free_memory
from parley.dataset.class_set import IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER, ImageClass

SCORE_BYTES = 4
"""Size of a score, a number in float32."""
COPIES = 3
"""Number of copies of the scores in memory while dialogues are written: computed, converted, and in the table."""
FINAL_COPIES = 4
"""Copies of final scores in memory: without intervention, with the current and the previous one, and a spare copy."""


def scores_bytes(images: int, exchanges: int, candidates: int) -> int:
    """Return the size of the scores of dialogues, in bytes."""
    return SCORE_BYTES * images * exchanges * candidates


def require_memory(images: int, exchanges: int, candidates: int, part: str) -> None:
    """Raise `ParleyError` if the free memory is too small to write the dialogues about a split."""
    needed = COPIES * scores_bytes(images, exchanges, candidates)
    _require(needed, images, part, f"of {exchanges} exchanges with a score for each of {candidates:,} candidates")


def require_memory_for_interventions(images: int, candidates: int, part: str) -> None:
    """Raise `ParleyError` if the free memory is too small for the final scores with and without interventions."""
    needed = FINAL_COPIES * scores_bytes(images, 1, candidates)
    _require(needed, images, part, f"with and without interventions, with final scores of {candidates:,} candidates")


def _require(needed: int, images: int, part: str, what: str) -> None:
    free = free_memory()
    if free is not None and needed > free:
        advised = _advised(free * images / needed)
        raise ParleyError(
            f"The dialogues about the {images:,} images of the split {part}, {what}, need {file_size(needed)} of "
            f"memory, but {file_size(free)} is free; set evaluation.recorded_images to {advised:,} or fewer."
        )


def require_memory_for_classifier(images: int, classes: int) -> None:
    """Raise `ParleyError` if the free memory is too small for a linear classifier's scores of the train split."""
    free, needed = free_memory(), 2 * COPIES * scores_bytes(images, 1, classes)
    if free is not None and needed > free:
        raise ParleyError(
            f"A linear classifier of {classes:,} classes on {images:,} images needs {file_size(needed)} of memory, but "
            f"{file_size(free)} is free; use a machine with more memory, or skip the classifier: run "
            "`uv run snakemake --cores all summary language comparisons interventions agreement`."
        )


def check_disk(config: Config, classes: Sequence[ImageClass], folder: str | Path) -> list[str]:
    """Return a list with an error message if an experiment's recorded dialogues would not fit on the disk; else [].

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set; empty if features are imported. The number of images is then unknown, and nothing is checked.
    folder
        The results folder, which may not exist yet.
    """
    needed = each = images = 0
    for run in settings_of_runs(config).values():
        exchanges = run["game"]["max_exchanges"]
        for recorded, candidates in _recorded_files(config, classes):
            per_image = len(config["seeds"]) * scores_bytes(1, exchanges, candidates)
            needed, each = needed + per_image * recorded, each + per_image
            images = max(images, recorded)
    existing = next(one for one in (Path(folder).absolute(), *Path(folder).absolute().parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if needed <= free:
        return []
    return [
        f"The dialogues of {len(config['runs'])} runs with {len(config['seeds'])} seeds (up to {images:,} images per "
        f"split) have a score for each candidate at each exchange and need up to {file_size(needed)} in {folder}, but "
        f"{file_size(free)} is free; set evaluation.recorded_images to {_advised(free / each):,} or fewer."
    ]


def dialogues_mb(config: Config, classes: Sequence[ImageClass]) -> int:
    """Return the memory that the largest file of dialogues needs for scores, in MB, rounded down to hundreds.

    Parameters
    ----------
    config, classes
        As in `check_disk`.
    """
    exchanges = max(run["game"]["max_exchanges"] for run in settings_of_runs(config).values())
    return _largest_mb(config, classes, COPIES * exchanges)


def final_scores_mb(config: Config, classes: Sequence[ImageClass]) -> int:
    """Return the memory for final scores with and without interventions, in MB, rounded down to hundreds."""
    return _largest_mb(config, classes, FINAL_COPIES)


def _largest_mb(config: Config, classes: Sequence[ImageClass], exchanges: int) -> int:
    sizes = (scores_bytes(images, exchanges, among) for images, among in _recorded_files(config, classes))
    return int(max(sizes, default=0) / 1e6) // 100 * 100


def _recorded_files(config: Config, classes: Sequence[ImageClass]) -> list[tuple[int, int]]:
    """Return, for each dialogue file of a run and seed, the number of images and the number of candidate classes."""
    counts, most = Counter(one.domain for one in classes), config["evaluation"]["recorded_images"]
    seen, files = counts[IN_DOMAIN], []
    for domain in (IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER):
        for per_class in config["split"][domain].values():
            images = counts[domain] * per_class
            recorded = images if most is None else min(images, most)
            # Unseen classes are evaluated with seen and unseen candidates, and with unseen candidates alone.
            among = [seen] if domain == IN_DOMAIN else [seen + counts[domain], counts[domain]]
            files += [(recorded, candidates) for candidates in among]
    return files


def _advised(most: float) -> int:
    """Return the number of images to recommend if at most `most` fit: half of `most`, cut to two significant digits."""
    half = max(1, int(most / 2))
    return int(str(half)[:2].ljust(len(str(half)), "0"))
