"""Whether bytes are an image to use. The bytes decide, not the status or the name they came under."""

import hashlib
import logging
import struct

from PIL import Image

from parley.dataset.fetch.decoder_bombs import is_decoder_bomb
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import Answer, Decision, ErrorClass, FetchResult
from parley.dataset.fetch.weighted_semaphore import WeightedSemaphore
from parley.dataset.image_formats import SUFFIXES, kinds_of, open_image, stored_size, to_rgb

logger = logging.getLogger(__name__)
# Flickr answers for a photo taken down with status 200 and one and the same picture of this many
# bytes. It serves photos as JPEG, and this as PNG or GIF.
_FLICKR_PLACEHOLDER_BYTES = 2051
_FLICKR_PLACEHOLDER_FORMATS = ("PNG", "GIF")
_MARKUP_LOOKED_AT_BYTES = 512
# Turned to RGB, an image takes up to 16 bytes a pixel on the way: this is 800 MB, for all threads together.
_PIXELS_AT_ONCE = WeightedSemaphore(50_000_000)
_USUAL_FAILURES = (OSError, SyntaxError, ValueError, EOFError, struct.error)
# What `to_rgb` leaves as it is, or nearly: decoding alone says that it can be used.
_PLAIN_MODES = ("RGB", "L")


def validate(body: bytes, sha256: str, options: FetchOptions) -> Decision:
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
        return Decision(ErrorClass.EMPTY)
    if sha256 in options.excluded:
        return Decision(ErrorClass.EXCLUDED)
    if sha256 in options.placeholder_sha256:
        return Decision(ErrorClass.PLACEHOLDER)
    if body[:_MARKUP_LOOKED_AT_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return Decision(ErrorClass.HTML)  # No image format begins so.
    if is_decoder_bomb(body):
        return Decision(ErrorClass.UNDECODABLE)
    try:
        return _validate_image(body, options)
    except Image.DecompressionBombError:
        return Decision(ErrorClass.BOMB)
    except MemoryError:
        raise
    # Decoders given bytes from anywhere raise whatever they run into; none of it may end the stage,
    # and all of it means one thing, which the manifest records and counts.
    except Exception as failure:  # noqa: BLE001
        if not isinstance(failure, _USUAL_FAILURES):
            logger.warning("A decoder failed in an unusual way on the bytes with SHA-256 %s: %r", sha256, failure)
        return Decision(ErrorClass.TRUNCATED if _ends_early(failure) else ErrorClass.UNDECODABLE)


def fetch_result(answer: Answer, key: str, options: FetchOptions) -> FetchResult:
    """Judge an answer's body, if it has one, and put together the URL's row."""
    sha256, decision = "", Decision(answer.error)
    if answer.body is not None:
        sha256 = hashlib.sha256(answer.body).hexdigest()
        decision = validate(answer.body, sha256, options)
    return FetchResult(
        url=answer.url,
        key=key,
        error=decision.error,
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
