"""Bytes that many URLs return: a placeholder for removed images, not the image that each URL once had."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

logger = logging.getLogger(__name__)
_TOLD = 10


class RepeatedBytes(NamedTuple):
    """Bytes treated as a placeholder.

    Attributes
    ----------
    sha256
        Of the bytes.
    urls
        Number of different URLs that returned them.
    example
        One of the URLs: the one with the lowest key.
    """

    sha256: str
    urls: int
    example: str


def warn_about_repeated_bytes(repeated: Sequence[RepeatedBytes], where: str) -> None:
    """Log a warning for each placeholder, the ten most frequent at most.

    Parameters
    ----------
    repeated
        Placeholders, the most frequent first.
    where
        Start of the sentence, such as the class.
    """
    for one in repeated[:_TOLD]:
        logger.warning(
            "%s: the same bytes (SHA-256 %s) came under %d URLs, such as %s; "
            "they are taken for a placeholder and left out.",
            *(where, one.sha256, one.urls, one.example),
        )
    if len(repeated) > _TOLD:
        logger.warning("%s: %d more such placeholders are left out.", where, len(repeated) - _TOLD)
