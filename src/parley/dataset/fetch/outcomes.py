"""Outcome of fetching a URL: error class, HTTP answer, decision about the image, and manifest row."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from parley.core.files import is_web_url
from parley.core.tables import stream_table

MANIFEST_COLUMNS = (
    "url",
    "key",
    "status",
    "error_class",
    "http_status",
    "bytes",
    "sha256",
    "width",
    "height",
    "attempts",
    "seconds",
)


class ErrorClass(StrEnum):
    """Reasons why a URL gave no usable image; the values of the manifest's column `error_class`."""

    # Permanent: a later run with the same settings does not request the URL again.
    NOT_FOUND = "not_found"  # HTTP 404
    GONE = "gone"  # HTTP 410
    FORBIDDEN = "forbidden"  # HTTP 401, 402, 403, 451
    HTTP_ERROR = "http_error"  # any other unsuccessful status
    REDIRECT_LOOP = "redirect_loop"  # more redirects than the limit
    BAD_REDIRECT = "bad_redirect"  # redirect to an address that is not http or https
    BAD_URL = "bad_url"  # no host, or not parsable
    TOO_LARGE = "too_large"  # more bytes than the limit; requested again under a higher limit
    OPTED_OUT = "opted_out"  # the X-Robots-Tag header contains noai or noimageai

    # Rejected because of the settings; decided again in each run.
    EXCLUDED = "excluded"  # on the exclude list, by URL, key or bytes
    PRIVATE_ADDRESS = "private_address"  # the host, or the target of a redirect, has an address that is not public

    # Transient: the URL is requested again by a later run, and after an error in RETRIED also within the same run.
    RATE_LIMITED = "rate_limited"  # HTTP 429
    SERVER_ERROR = "server_error"  # HTTP 5xx
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"  # the server stopped sending
    DEADLINE = "deadline"  # the whole request took too long, although bytes kept arriving
    RESET = "reset"  # the connection was closed or lost before the response
    INCOMPLETE = "incomplete"  # fewer bytes than announced
    REFUSED = "refused"  # connection refused, or no route to the host
    DNS = "dns"  # the host's name does not resolve
    TLS = "tls"  # invalid certificate, or failed handshake
    PROTOCOL = "protocol"  # the response is not valid HTTP

    # Errors in reading local files. They are not stored, because local files are read again in each run.
    MISSING = "missing"  # no such file, or no such member of the tar
    OUTSIDE_ROOT = "outside_root"  # the path leads outside the source's root folder, through `..` or a link
    UNREADABLE = "unreadable"  # the file exists but cannot be read

    # The bytes are not a usable image. They are validated again in each run.
    EMPTY = "empty"  # no bytes
    HTML = "html"  # an HTML page, or other markup
    PLACEHOLDER = "placeholder"  # an image that a photo service returns instead of a removed photo
    TRUNCATED = "truncated"  # an incomplete image
    UNDECODABLE = "undecodable"  # unknown format, or corrupt image
    HEIC = "heic"  # an image in HEIC, for which Pillow needs a plug-in
    UNSUPPORTED = "unsupported"  # another known format that is not read, such as JPEG 2000 or ICO
    TOO_SMALL = "too_small"  # a side shorter than the minimum
    BOMB = "bomb"  # more pixels than the limit
    TOO_COMPLEX = "too_complex"  # more scans, tiles, frames, or other parts than decoding in bounded time allows
    # Valid, but of a kind that `FetchOptions.refuse` may name.
    ANIMATED = "animated"  # more than one frame or page
    CMYK = "cmyk"  # ink colours instead of red, green and blue
    SIXTEEN_BIT = "sixteen_bit"  # more than eight bits per channel
    TRANSPARENT = "transparent"  # an alpha channel, or a palette with transparency
    ROTATED = "rotated"  # the EXIF orientation requires a rotation or mirroring

    # Found when the splits are finalised, which compares the images of all classes.
    DUPLICATE = "duplicate"  # another image has the same bytes
    NEAR_COPY = "near_copy"  # an image of another split is almost identical


RETRIED = frozenset(
    {
        ErrorClass.RATE_LIMITED,
        ErrorClass.SERVER_ERROR,
        ErrorClass.CONNECT_TIMEOUT,
        ErrorClass.READ_TIMEOUT,
        ErrorClass.RESET,
        ErrorClass.INCOMPLETE,
    }
)
"""Errors retried within a run, because their cause may disappear within seconds."""

UNREACHABLE = frozenset({ErrorClass.DNS, ErrorClass.CONNECT_TIMEOUT, ErrorClass.REFUSED})
"""Errors that mean that a URL's host cannot be reached."""

TRANSIENT = RETRIED | UNREACHABLE | {ErrorClass.DEADLINE, ErrorClass.TLS, ErrorClass.PROTOCOL}
"""Errors after which a later run requests the URL again."""


LOCAL_ERRORS = frozenset({ErrorClass.MISSING, ErrorClass.OUTSIDE_ROOT, ErrorClass.UNREADABLE})
"""Errors in reading local files, which may be mended or differ below another root."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Response from a URL or content of a local file, before the bytes are validated."""

    url: str  # the URL or local path, as listed
    body: bytes | None = None  # None if the request failed
    error: ErrorClass | None = None  # reason for the missing body; None if there is a body
    http_status: int | None = None  # status of the last response; None for local paths or without a response
    attempts: int = 1  # requests sent, not counting redirects; 0 if the host had asked for a long pause
    seconds: float = 0.0  # from submitting the URL to its answer, including waits
    opted_out: bool = False  # True if X-Robots-Tag forbids using the image
    from_private: bool = False  # True if the response, or a redirect to it, came from a private address
    redirected_to: str = ""  # address where the redirects ended; empty without a redirect


class Decision(NamedTuple):
    """Decision whether bytes are a usable image, with the image's format and size."""

    error: ErrorClass | None  # reason why the bytes are not usable; None for a usable image
    suffix: str = ""  # file suffix of the decoded format, without a dot; empty if unknown
    width: int | None = None  # in pixels, as stored (before any EXIF rotation); None if unknown
    height: int | None = None
    is_faint: bool = False  # True if an image of more than 8 bits becomes nearly uniform (`uses_little_of_range`)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Result of one URL: the values of its manifest row, and the file suffix for the tar."""

    url: str
    key: str
    http_status: int | None
    size_bytes: int | None
    sha256: str
    decision: Decision
    attempts: int
    seconds: float

    @property
    def error(self) -> ErrorClass | None:
        """Reason why the URL gave no usable image; None if it gave one."""
        return self.decision.error

    @property
    def is_ok(self) -> bool:
        """True if the URL gave a usable image."""
        return self.error is None

    def rejected(self, error: ErrorClass) -> "FetchResult":
        """Return a copy of the result with an error that was found after validation."""
        return replace(self, decision=self.decision._replace(error=error))

    def manifest_row(self) -> tuple[object, ...]:
        """Return the cells of the manifest row, in the order of `MANIFEST_COLUMNS`."""
        return (
            self.url,
            self.key,
            "ok" if self.is_ok else "failed",
            self.error,
            self.http_status,
            self.size_bytes,
            self.sha256,
            self.decision.width,
            self.decision.height,
            self.attempts,
            f"{self.seconds:.3f}",
        )


def may_change(manifest: str | Path, local: bool) -> bool:
    """Return whether a later run would request a URL of a manifest again or, if `local`, read a local file again."""
    tried = stream_table(manifest, ["url", "error_class"])
    return any(error in TRANSIENT | LOCAL_ERRORS or (local and not is_web_url(url)) for url, error in tried)
