"""Choose which images the page shows when not all fit: the first of each class, in order of their keys."""

from collections import Counter, defaultdict
from collections.abc import Mapping

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
