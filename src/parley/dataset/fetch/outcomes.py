"""Outcomes of a URL: error classes, the HTTP answer, the decision about its bytes, and the manifest row."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

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
    """Why a URL gave no usable image. These are the values of the manifest's column `error_class`."""

    # Permanent: never requested again, not even by a later run.
    NOT_FOUND = "not_found"  # HTTP 404
    GONE = "gone"  # HTTP 410
    FORBIDDEN = "forbidden"  # HTTP 401, 402, 403, 451
    HTTP_ERROR = "http_error"  # any other unsuccessful status
    REDIRECT_LOOP = "redirect_loop"  # more redirects than the limit
    BAD_REDIRECT = "bad_redirect"  # a redirect to something that is not http or https
    BAD_URL = "bad_url"  # no host, or not parsable
    TOO_LARGE = "too_large"  # more bytes than the limit; requested again under a higher limit
    OPTED_OUT = "opted_out"  # X-Robots-Tag says noai or noimageai

    # Not requested because of our own rules; decided again in each run.
    EXCLUDED = "excluded"  # on the exclude list, by URL, key or bytes
    PRIVATE_ADDRESS = "private_address"  # the host, or the target of a redirect, has an address that is not public

    # Transient: requested again by a later run, and those in RETRIED also within this run.
    RATE_LIMITED = "rate_limited"  # HTTP 429
    SERVER_ERROR = "server_error"  # HTTP 5xx
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"  # the server stopped sending
    DEADLINE = "deadline"  # the whole request took too long, although bytes kept arriving
    RESET = "reset"  # the connection was closed or lost before the response
    INCOMPLETE = "incomplete"  # fewer bytes than announced
    REFUSED = "refused"  # no connection: refused, or no route
    DNS = "dns"  # the host's name does not resolve
    TLS = "tls"  # certificate or handshake
    PROTOCOL = "protocol"  # an answer that is not HTTP

    # Local entries: read again in each run.
    MISSING = "missing"  # no such file, or no such member of the tar
    OUTSIDE_ROOT = "outside_root"  # outside the source's root, through `..` or a link
    UNREADABLE = "unreadable"  # exists but cannot be read

    # The bytes are not a usable image: validated again in each run.
    EMPTY = "empty"  # no bytes
    HTML = "html"  # a page, or other markup
    PLACEHOLDER = "placeholder"  # what a photo service returns for a removed photo
    TRUNCATED = "truncated"  # an incomplete image
    UNDECODABLE = "undecodable"  # unknown format, or corrupt
    TOO_SMALL = "too_small"  # a side shorter than the minimum
    BOMB = "bomb"  # more pixels than the limit
    # Valid, but of a kind that `FetchOptions.refuse` may name.
    ANIMATED = "animated"  # more than one frame or page
    CMYK = "cmyk"  # ink colours instead of red, green and blue
    SIXTEEN_BIT = "sixteen_bit"  # more than eight bits per channel
    TRANSPARENT = "transparent"  # an alpha channel, or a palette with transparency
    ROTATED = "rotated"  # EXIF asks for a rotation or a mirroring

    # Found by the rule that finalises the splits, which sees all classes together.
    DUPLICATE = "duplicate"  # another image has the same bytes
    NEAR_COPY = "near_copy"  # an image of another split looks the same


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
"""Errors retried within a run because they may pass in seconds."""

UNREACHABLE = frozenset({ErrorClass.DNS, ErrorClass.CONNECT_TIMEOUT, ErrorClass.REFUSED})
"""Errors that mean that a URL's host cannot be reached."""

TRANSIENT = RETRIED | UNREACHABLE | {ErrorClass.DEADLINE, ErrorClass.TLS, ErrorClass.PROTOCOL}
"""Errors after which a later run requests the URL again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a URL or local path returned, before its bytes are validated."""

    url: str  # the URL or local path, as listed
    body: bytes | None = None  # None if the request failed
    error: ErrorClass | None = None  # why there is no body
    http_status: int | None = None  # the last status; None without a response, and for local entries
    attempts: int = 1  # requests made, without redirects; 0 if none was sent because the host asked for a long pause
    seconds: float = 0.0  # from the start of the first request to the end of the last, including waits
    opted_out: bool = False  # X-Robots-Tag forbids using the image
    from_private: bool = False  # the response, or a redirect to it, came from an address that is not public


class Decision(NamedTuple):
    """Whether bytes are a usable image, and its format and size."""

    error: ErrorClass | None  # why the bytes are not usable; None for a usable image
    suffix: str = ""  # file suffix of the decoded format, without a dot; empty if unknown
    width: int | None = None  # in pixels, as stored (before any EXIF rotation); None if unknown
    height: int | None = None


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Result of one URL: its row in the manifest, and the file suffix for the tar."""

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
        """Why the URL gave no usable image; None if it gave one."""
        return self.decision.error

    @property
    def is_ok(self) -> bool:
        """Whether the URL gave a usable image."""
        return self.error is None

    def rejected(self, error: ErrorClass) -> "FetchResult":
        """Return the result with an error that was found later."""
        return replace(self, decision=self.decision._replace(error=error))

    def manifest_row(self) -> tuple[object, ...]:
        """Return the cells of the manifest, in the order of `MANIFEST_COLUMNS`."""
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
