"""Whether bytes are an image to use. The bytes decide, not the status or the name they came under."""

import hashlib
import logging
import struct

from PIL import Image

from parley.dataset.fetch.hostile import is_hostile
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import Answer, ErrorClass, Tried, Verdict
from parley.dataset.fetch.room import Room
from parley.dataset.image_formats import SUFFIXES, kinds_of, open_image, stored_size, to_rgb

logger = logging.getLogger(__name__)
# Flickr answers for a photo taken down with status 200 and one and the same picture of this many
# bytes. It serves photos as JPEG, and this as PNG or GIF.
_FLICKR_PLACEHOLDER_BYTES = 2051
_FLICKR_PLACEHOLDER_FORMATS = ("PNG", "GIF")
_MARKUP_LOOKED_AT_BYTES = 512
# Turned to RGB, an image takes up to 16 bytes a pixel on the way: this is 800 MB, for all threads together.
_PIXELS_AT_ONCE = Room(50_000_000)
_USUAL_FAILURES = (OSError, SyntaxError, ValueError, EOFError, struct.error)
# What `to_rgb` leaves as it is, or nearly: decoding alone says that it can be used.
_PLAIN_MODES = ("RGB", "L")


def judge(body: bytes, sha256: str, options: FetchOptions) -> Verdict:
    """Say whether bytes are an image to use, and of what size.

    Parameters
    ----------
    body
        The bytes as they came.
    sha256
        Their SHA-256, in hexadecimal.
    options
        `verify`, `min_side`, `max_pixels`, `refuse`, `placeholder_sha256` and `excluded` count here.
    """
    if not body:
        return Verdict(ErrorClass.EMPTY)
    if sha256 in options.excluded:
        return Verdict(ErrorClass.EXCLUDED)
    if sha256 in options.placeholder_sha256:
        return Verdict(ErrorClass.PLACEHOLDER)
    if body[:_MARKUP_LOOKED_AT_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return Verdict(ErrorClass.HTML)  # No image format begins so.
    if is_hostile(body):
        return Verdict(ErrorClass.UNDECODABLE)
    try:
        return _judge_image(body, options)
    except Image.DecompressionBombError:
        return Verdict(ErrorClass.BOMB)
    except MemoryError:
        raise
    # Decoders given bytes from anywhere raise whatever they run into; none of it may end the stage,
    # and all of it means one thing, which the manifest records and counts.
    except Exception as failure:  # noqa: BLE001
        if not isinstance(failure, _USUAL_FAILURES):
            logger.warning("A decoder failed in an unusual way on the bytes with SHA-256 %s: %r", sha256, failure)
        return Verdict(ErrorClass.TRUNCATED if _ends_early(failure) else ErrorClass.UNDECODABLE)


def judged(answer: Answer, key: str, options: FetchOptions) -> Tried:
    """Judge an answer's body, if it has one, and put together the URL's row."""
    sha256, verdict = "", Verdict(answer.error)
    if answer.body is not None:
        sha256 = hashlib.sha256(answer.body).hexdigest()
        verdict = judge(answer.body, sha256, options)
    return Tried(
        url=answer.url,
        key=key,
        error=verdict.error,
        http_status=answer.http_status,
        size_bytes=None if answer.body is None else len(answer.body),
        sha256=sha256,
        verdict=verdict,
        attempts=answer.attempts,
        seconds=answer.seconds,
    )


def _judge_image(body: bytes, options: FetchOptions) -> Verdict:
    with open_image(body) as image:
        width, height = stored_size(image)
        found = Verdict(None, SUFFIXES[image.format or ""], width, height)
        if len(body) == _FLICKR_PLACEHOLDER_BYTES and image.format in _FLICKR_PLACEHOLDER_FORMATS:
            return found._replace(error=ErrorClass.PLACEHOLDER)
        if width * height > options.max_pixels:
            return found._replace(error=ErrorClass.BOMB)
        if min(width, height) < options.min_side:
            return found._replace(error=ErrorClass.TOO_SMALL)
        if refused := kinds_of(image, options.refuse):
            return found._replace(error=ErrorClass(refused[0]))
        if options.verify == "decode":
            with _PIXELS_AT_ONCE.taken(width * height):
                _decode(image)
            # A PNG may say how to turn it behind its pixels.
            if "rotated" in options.refuse and image.format == "PNG" and kinds_of(image, ["rotated"]):
                return found._replace(error=ErrorClass.ROTATED)
    return found


def _decode(image: Image.Image) -> None:
    """Decode all of an image, and where it is unusual convert it as well: what is taken is used later."""
    if image.mode in _PLAIN_MODES and "transparency" not in image.info:
        image.load()
    else:
        to_rgb(image)


def _ends_early(failure: Exception) -> bool:
    """Say whether a decoder ran out of bytes; Pillow has no exception of its own for it."""
    return isinstance(failure, EOFError) or "truncated" in str(failure).lower()
