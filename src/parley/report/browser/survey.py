"""The message files of an experiment, and the images that fit on the page."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from parley.core.errors import ParleyError
from parley.core.failures import failure_in
from parley.metrics.records import owner_of
from parley.report.browser.arrays import bit_bytes, conversation_bytes

ALONE = "_alone"
"""Suffix of a split whose candidates are the unseen classes alone; its images are those of the split itself."""


@dataclass(frozen=True, slots=True)
class Source:
    """A message file: one run, seed and split.

    Attributes
    ----------
    path
        The file.
    run, seed, part
        Whose, and on which part, by the file's place and name.
    failed
        Why there are no messages; None where there are.
    attention
        The file of what was attended to, where it was kept.
    bytes_each
        Bytes that a conversation takes on the page, before they are deflated.
    bytes_besides
        Bytes that the rest takes.
    """

    path: Path
    run: str
    seed: int
    part: str
    failed: str | None = None
    attention: Path | None = None
    bytes_each: int = 0
    bytes_besides: int = 0

    @property
    def images(self) -> str:
        """The split that the images belong to."""
        return self.part.removesuffix(ALONE)


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that could be shown: the files, and the key and label id of each split's images."""

    sources: list[Source]
    images: dict[str, dict[str, int]]


def survey(messages: Sequence[str | Path], attention: Sequence[str | Path]) -> Survey:
    """Read the metadata of all message files, without the dialogues.

    Parameters
    ----------
    messages
        ``messages.hdf5`` and ``messages.<part>.hdf5`` in folders ``runs/<run>/<seed>``; markers of failed runs too.
    attention
        ``attention.hdf5`` and ``attention.<part>.hdf5`` beside them, of those that have them.

    Raises
    ------
    ParleyError
        When a file is no file of messages.
    """
    kept = {Path(path).absolute(): Path(path) for path in attention if failure_in(path) is None}
    sources: list[Source] = []
    images: dict[str, dict[str, int]] = defaultdict(dict)
    for path in map(Path, messages):
        run, seed = owner_of(path)
        part = part_of(path)
        if (why := failure_in(path)) is not None:
            sources.append(Source(path, run, seed, part, why))
            continue
        beside = kept.get(path.with_name(path.name.replace("messages", "attention", 1)).absolute())
        source = Source(path, run, seed, part, None, beside, *_room(path, beside))
        images[source.images] |= _images_in(path)
        sources.append(source)
    return Survey(sources, dict(images))


def part_of(path: Path) -> str:
    """Return the split of a message file from its name; `messages.hdf5` is the test split."""
    return path.name.removesuffix(".hdf5").partition(".")[2] or "test"


def _images_in(path: Path) -> dict[str, int]:
    with _opened(path) as file:
        rows = file["Predictions"].fields(["ExampleId", "Target"])[:]
    return {key.decode("utf-8", "replace"): int(label) for key, label in rows.tolist()}


def _room(path: Path, attention: Path | None) -> tuple[int, int]:
    """Return the bytes per dialogue of a file, and the bytes of everything else."""
    with _opened(path) as file:
        try:
            exchanges, bits = int(file.attrs["max_exchanges"]), int(file.attrs["message_bits"])
            candidates = file["Predictions"].dtype["Predictions"].shape[0]
            continuous = file["Communication"].dtype["BinaryVec"].base.kind == "f"
        except (KeyError, ValueError, IndexError) as error:
            raise ParleyError(
                f"{path} is not a whole file of messages ({error}); make it again with the messages stage."
            ) from error
    cells = words = 0
    if attention is not None:
        with _opened(attention) as file:
            cells = file["Sender"].shape[-1] if "Sender" in file else 0
            words = file["Receiver"].shape[-1] if "Receiver" in file else 0
    each = conversation_bytes(exchanges, bits, candidates, continuous, cells, words)
    return each, bit_bytes(bits, candidates, continuous)


def _opened(path: Path) -> Any:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ParleyError(f"{path} cannot be read as HDF5 ({error}); make it again with the messages stage.") from error


BYTES_PER_MB = 1_000_000
IN_BASE64 = 4 / 3
"""Base64 characters a byte."""
PICTURE_BYTES = 4000
"""Bytes reserved for an image and its key, in base64."""
ALL_ELSE_BYTES = 300_000
"""Bytes reserved for the page itself."""
FILE_BYTES = 1500
"""Bytes reserved for a message file's entry in the index."""


def images_per_class(
    images: Mapping[str, Mapping[str, int]],
    conversation_bytes: Mapping[str, int],
    max_mb: float,
    bytes_besides: float = 0,
) -> int | None:
    """Return how many images of each class and split fit: at least 1; None if all fit.

    Parameters
    ----------
    images
        Of each part, the key and class of each image.
    conversation_bytes
        Of each part, bytes that all conversations about one image take together, before base64.
    max_mb
        Of the page. What is deflated takes less, so the page stays below it, save where not even one image of each
        class fits.
    bytes_besides
        What is on the page however many images are.
    """
    room = max_mb * BYTES_PER_MB - ALL_ELSE_BYTES - bytes_besides
    each = {part: PICTURE_BYTES + IN_BASE64 * conversation_bytes.get(part, 0) for part in images}
    counts = {part: Counter(of_part.values()).values() for part, of_part in images.items()}

    def taken(most: int) -> float:
        return sum(each[part] * sum(min(most, count) for count in counts[part]) for part in counts)

    largest = max((count for of_part in counts.values() for count in of_part), default=0)
    if taken(largest) <= room:
        return None
    fits, too_many = 1, largest
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if taken(middle) <= room else (fits, middle)
    return fits


def sampled(images: Mapping[str, int], most: int | None) -> list[str]:
    """Return the keys to show, sorted: the first `most` of each class; all if that is None."""
    if most is None:
        return sorted(images)
    by_class: dict[int, list[str]] = defaultdict(list)
    for key, label in images.items():
        by_class[label].append(key)
    return sorted(key for keys in by_class.values() for key in sorted(keys)[:most])
