"""Decide whether bytes are a usable image. File name and HTTP status do not matter; where redirects end does."""

import contextlib
import hashlib
import logging
import re
import struct
import threading
from collections.abc import Iterator

from PIL import Image

from parley.dataset.decoding_work import TooComplexImageError
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import Answer, Decision, ErrorClass, FetchResult
from parley.dataset.image_formats import (
    SUFFIXES,
    kinds_of,
    open_image,
    stored_size,
    to_rgb,
    uses_little_of_range,
    white_level,
)
from parley.dataset.image_signatures import HEAD_BYTES, HEIC, OTHERS, kind_of_file

logger = logging.getLogger(__name__)
# For a removed photo, Flickr returns status 200 and a placeholder image: always the same PNG or GIF of this size.
# Flickr's photos are JPEG.
_FLICKR_PLACEHOLDER_BYTES = 2051
_FLICKR_PLACEHOLDER_FORMATS = ("PNG", "GIF")
# Addresses of such images, to which Flickr and Imgur redirect.
_PLACEHOLDER_URL = re.compile(r"[^?#]*/(photo_unavailable\w*|removed)\.\w+([?#].*)?")
_MARKUP_BYTES = 512
_EXPECTED_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error)
# For images of these modes, `to_rgb` changes little, so decoding without conversion is a sufficient test.
_PLAIN_MODES = ("RGB", "L")


class WeightedSemaphore:
    """A semaphore from which threads acquire amounts, in the order of their requests.

    A request for more than `size` waits until all other amounts are released, then runs alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._turn = threading.Lock()  # Held by the next thread, so that small amounts cannot overtake a large one.
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Wait until the amount is available, acquire it, and release it at the end of the block."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + amount <= self._size)
            self._used += amount
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()


# Limit on the pixels that all threads together decode at once. RGB conversion takes up to 16 bytes each, or 800 MB.
_PIXELS_IN_MEMORY = WeightedSemaphore(50_000_000)


def validate(body: bytes, sha256: str, options: FetchOptions) -> Decision:
    """Decide whether bytes are a usable image; return the decision with the image's format and size.

    Parameters
    ----------
    body
        The bytes as received.
    sha256
        SHA-256 of `body`, in hexadecimal.
    options
        Settings. `verify`, `min_side`, `max_pixels`, `refuse`, `placeholder_sha256` and `excluded` are used.
    """
    if (reason := _reason_not_to_open(body, sha256, options)) is not None:
        return Decision(reason)
    try:
        return _validate_image(body, options)
    except Image.DecompressionBombError:
        return Decision(ErrorClass.BOMB)
    except TooComplexImageError as failure:
        logger.warning("The bytes with SHA-256 %s are not decoded: %s.", sha256, failure)
        return Decision(ErrorClass.TOO_COMPLEX)
    except MemoryError:
        raise
    # Decoders raise arbitrary exceptions on malformed bytes. Such an exception must not abort the stage: it is
    # recorded in the manifest as an image that cannot be decoded.
    except Exception as failure:  # noqa: BLE001
        if not isinstance(failure, _EXPECTED_ERRORS):
            logger.warning("A decoder raised an unexpected exception on the bytes with SHA-256 %s: %r", sha256, failure)
        # Pillow has no exception types for texts of a PNG that unpack without end, and for truncated images.
        if isinstance(failure, ValueError) and "MAX_TEXT_" in str(failure):
            return Decision(ErrorClass.TOO_COMPLEX)
        is_truncated = isinstance(failure, EOFError) or "truncated" in str(failure).lower()
        return Decision(ErrorClass.TRUNCATED if is_truncated else ErrorClass.UNDECODABLE)


def _reason_not_to_open(body: bytes, sha256: str, options: FetchOptions) -> ErrorClass | None:
    if not body:
        return ErrorClass.EMPTY
    if sha256 in options.excluded:
        return ErrorClass.EXCLUDED
    if sha256 in options.placeholder_sha256:
        return ErrorClass.PLACEHOLDER
    if body[:_MARKUP_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return ErrorClass.HTML  # No accepted image format starts with `<`.
    kind = kind_of_file("", body[:HEAD_BYTES])
    if kind in OTHERS:
        return ErrorClass.HEIC if kind == HEIC else ErrorClass.UNSUPPORTED
    return None


def fetch_result(answer: Answer, key: str, options: FetchOptions) -> FetchResult:
    """Validate the body of an answer, if it has one, and return the result for the URL."""
    sha256, decision = "", Decision(answer.error)
    if answer.body is not None:
        sha256 = hashlib.sha256(answer.body).hexdigest()
        decision = validate(answer.body, sha256, options)
        if decision.error is None and _PLACEHOLDER_URL.fullmatch(answer.redirected_to):
            decision = decision._replace(error=ErrorClass.PLACEHOLDER)
    return FetchResult(
        url=answer.url,
        key=key,
        http_status=answer.http_status,
        size_bytes=None if answer.body is None else len(answer.body),
        sha256=sha256,
        decision=decision,
        attempts=answer.attempts,
        seconds=answer.seconds,
    )


def _validate_image(body: bytes, options: FetchOptions) -> Decision:
    with open_image(body) as image:
        width, height = stored_size(image)
        found = Decision(None, SUFFIXES[image.format or ""], width, height)
        if len(body) == _FLICKR_PLACEHOLDER_BYTES and image.format in _FLICKR_PLACEHOLDER_FORMATS:
            return found._replace(error=ErrorClass.PLACEHOLDER)
        if width * height > options.max_pixels:
            return found._replace(error=ErrorClass.BOMB)
        if min(width, height) < options.min_side:
            return found._replace(error=ErrorClass.TOO_SMALL)
        if refused := kinds_of(image, options.refuse):
            return found._replace(error=ErrorClass(refused[0]))
        if options.verify == "decode":
            with _PIXELS_IN_MEMORY.taken(width * height):
                found = found._replace(is_faint=_decode(image))
            # A PNG may store its EXIF orientation after the pixels.
            if "rotated" in options.refuse and image.format == "PNG" and kinds_of(image, ["rotated"]):
                return found._replace(error=ErrorClass.ROTATED)
    return found


def _decode(image: Image.Image) -> bool:
    """Decode all pixels of an image. Also convert an unusual mode to RGB, as feature extraction will do later.

    Return whether the image will be nearly uniform because its values use little of their range.
    """
    white = white_level(image)
    if image.mode in _PLAIN_MODES and "transparency" not in image.info:
        image.load()
    else:
        to_rgb(image)
    return uses_little_of_range(image, white)
