"""List the message files of an experiment, and choose the images that fit on the page."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from parley.core.errors import ParleyError
from parley.core.failures import failure_in
from parley.interaction.eval_sets import ALONE
from parley.metrics.records import owner_of, part_of
from parley.report.browser.arrays import bit_bytes, dialogue_bytes

BYTES_PER_MB = 1_000_000
IN_BASE64 = 4 / 3
"""Number of base64 characters per byte."""
PICTURE_BYTES = 4000
"""Bytes reserved for an image in base64 and its key."""
PAGE_BYTES = 300_000
"""Bytes reserved for the page without images and dialogues."""
FILE_BYTES = 1500
"""Bytes reserved for the entry of a message file in the page's index."""


@dataclass(frozen=True, slots=True)
class Source:
    """A message file, which contains the dialogues of one run, seed and split.

    Attributes
    ----------
    path
        Path of the file.
    run, seed, part
        Run, seed and split, from the names of the file and its folders.
    failed
        Reason why there are no messages; None if there are messages.
    attention
        Path of the attention file; None if it does not exist.
    bytes_each
        Size of one dialogue in the page's arrays, in bytes before compression.
    other_bytes
        Size of the file's other arrays (statistics of bits), in bytes before compression.
    """

    path: Path
    run: str
    seed: int
    part: str
    failed: str | None = None
    attention: Path | None = None
    bytes_each: int = 0
    other_bytes: int = 0

    @property
    def images(self) -> str:
        """Split that contains the images, such as `ood` for `ood_alone`: the same images with fewer candidates."""
        return self.part.removesuffix(ALONE)


def survey(
    messages: Sequence[str | Path], attention: Sequence[str | Path]
) -> tuple[list[Source], dict[str, dict[str, int]]]:
    """Read the metadata and image keys of all message files, but not the dialogues.

    Parameters
    ----------
    messages
        Paths of ``messages.hdf5`` and ``messages.<part>.hdf5`` in folders ``runs/<run>/<seed>``. The file of a failed
        seed contains only the reason for the failure.
    attention
        Paths of the existing files ``attention.hdf5`` and ``attention.<part>.hdf5`` in the same folders.

    Returns
    -------
    list of Source
        One entry for each message file.
    dict
        For each split, a mapping from image key to label id.

    Raises
    ------
    ParleyError
        If a file is not a message file.
    """
    with_attention = {Path(path).absolute(): Path(path) for path in attention if failure_in(path) is None}
    sources: list[Source] = []
    images: dict[str, dict[str, int]] = defaultdict(dict)
    for path in map(Path, messages):
        run, seed = owner_of(path)
        part = part_of(path)
        if (why := failure_in(path)) is not None:
            sources.append(Source(path, run, seed, part, why))
            continue
        own = with_attention.get(path.with_name(path.name.replace("messages", "attention", 1)).absolute())
        source = Source(path, run, seed, part, None, own, *_sizes(path, own))
        with _opened(path) as file:
            rows = file["Predictions"].fields(["ExampleId", "Target"])[:]
        images[source.images] |= {key.decode("utf-8", "replace"): int(label) for key, label in rows.tolist()}
        sources.append(source)
    return sources, dict(images)


def _sizes(path: Path, attention: Path | None) -> tuple[int, int]:
    """Return the `bytes_each` and `other_bytes` of a `Source`."""
    with _opened(path) as file:
        try:
            exchanges, bits = int(file.attrs["max_exchanges"]), int(file.attrs["message_bits"])
            candidates = file["Predictions"].dtype["Predictions"].shape[0]
            continuous = file["Communication"].dtype["BinaryVec"].base.kind == "f"
        except (KeyError, ValueError, IndexError) as error:
            raise ParleyError(
                f"{path} is not a complete message file ({error}); remove it and run "
                "`uv run snakemake --cores 1 messages`."
            ) from error
    cells = words = 0
    if attention is not None:
        with _opened(attention) as file:
            cells = file["Sender"].shape[-1] if "Sender" in file else 0
            words = file["Receiver"].shape[-1] if "Receiver" in file else 0
    each = dialogue_bytes(exchanges, bits, candidates, continuous, cells, words)
    return each, bit_bytes(bits, candidates, continuous)


def _opened(path: Path) -> Any:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ParleyError(
            f"{path} cannot be read as HDF5 ({error}); remove it and run `uv run snakemake --cores 1 messages`."
        ) from error


def images_per_class(
    images: Mapping[str, Mapping[str, int]],
    bytes_each: Mapping[str, int],
    max_mb: float,
    other_bytes: float = 0,
) -> int | None:
    """Return the number of images of each class and split that fit on the page, at least 1; None if all fit.

    Parameters
    ----------
    images
        For each split, a mapping from image key to class.
    bytes_each
        For each split, the size of all dialogues about one image, in bytes before base64.
    max_mb
        Size limit of the page in megabytes. Compression is ignored, so that the page stays below the limit, unless
        even one image of each class exceeds it.
    other_bytes
        Size of the data that do not depend on the number of images, in bytes after base64.
    """
    room = max_mb * BYTES_PER_MB - PAGE_BYTES - other_bytes
    each = {part: PICTURE_BYTES + IN_BASE64 * bytes_each.get(part, 0) for part in images}
    counts = {part: Counter(of_part.values()).values() for part, of_part in images.items()}

    def size(most: int) -> float:
        return sum(each[part] * sum(min(most, count) for count in counts[part]) for part in counts)

    largest = max((count for of_part in counts.values() for count in of_part), default=0)
    if size(largest) <= room:
        return None
    return max(1, bisect_right(range(1, largest), room, key=size))


def sampled(images: Mapping[str, int], most: int | None) -> list[str]:
    """Return the sorted keys of the images to show: the first `most` of each class, or all if `most` is None."""
    if most is None:
        return sorted(images)
    by_class: dict[int, list[str]] = defaultdict(list)
    for key, label in images.items():
        by_class[label].append(key)
    return sorted(key for keys in by_class.values() for key in sorted(keys)[:most])
