"""Bytes that come under many URLs: whatever they show, it is not what each of the URLs once showed."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

logger = logging.getLogger(__name__)
_TOLD = 10


class RepeatedBytes(NamedTuple):
    """Bytes taken for a placeholder.

    Attributes
    ----------
    sha256
        Of the bytes.
    urls
        How many different URLs they came under.
    example
        One of the URLs: the one with the lowest key.
    """

    sha256: str
    urls: int
    example: str


def warn_about_repeated_bytes(repeated: Sequence[RepeatedBytes], where: str) -> None:
    """Name each of the bytes taken for a placeholder; of very many the most frequent.

    Parameters
    ----------
    repeated
        What was found, the most frequent first.
    where
        Where, as the sentence begins.
    """
    for one in repeated[:_TOLD]:
        logger.warning(
            "%s: the same bytes (SHA-256 %s) came under %d URLs, such as %s; "
            "they are taken for a placeholder and left out.",
            *(where, one.sha256, one.urls, one.example),
        )
    if len(repeated) > _TOLD:
        logger.warning("%s: %d more such placeholders are left out.", where, len(repeated) - _TOLD)
