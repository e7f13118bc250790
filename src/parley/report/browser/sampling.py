"""Which images a page shows where it cannot show all: by rule the first so many of each class, by key."""

from collections import Counter, defaultdict
from collections.abc import Mapping

BYTES_PER_MB = 1_000_000
IN_BASE64 = 4 / 3
"""Characters a byte."""
PICTURE_BYTES = 4000
"""Room set aside for a picture and its key, in base64."""
ALL_ELSE_BYTES = 300_000
"""Room set aside for the page itself."""
FILE_BYTES = 1500
"""Room set aside for what the page's index says of a file of messages."""


def images_per_class(
    images: Mapping[str, Mapping[str, int]],
    conversation_bytes: Mapping[str, int],
    max_mb: float,
    bytes_besides: float = 0,
) -> int | None:
    """Return how many images of each class and part there is room for; None where there is for all, 1 at least.

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
    """Return the keys that are shown, in order: of each class the first `most` by key; all where that is None."""
    if most is None:
        return sorted(images)
    by_class: dict[int, list[str]] = defaultdict(list)
    for key, label in images.items():
        by_class[label].append(key)
    return sorted(key for keys in by_class.values() for key in sorted(keys)[:most])
