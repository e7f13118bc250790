"""What can come of a URL: every way to fail has a name, and every URL tried has a row."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class ErrorClass(StrEnum):
    """Every reason for which a URL gives no image. The manifest's column `error_class` holds these names."""

    # The server's answer is final: never asked again, not even by a later run.
    NOT_FOUND = "not_found"  # HTTP 404
    GONE = "gone"  # HTTP 410
    FORBIDDEN = "forbidden"  # HTTP 401, 402, 403, 451
    HTTP_ERROR = "http_error"  # any other status that is not success
    REDIRECT_LOOP = "redirect_loop"  # more redirects than the cap
    BAD_REDIRECT = "bad_redirect"  # a redirect to something that is not http or https
    BAD_URL = "bad_url"  # no host, or otherwise not to be parsed
    TOO_LARGE = "too_large"  # more bytes than the cap; asked again under a higher cap
    OPTED_OUT = "opted_out"  # X-Robots-Tag says noai or noimageai

    # Not asked, by this side's own rules: looked at afresh each time.
    EXCLUDED = "excluded"  # on the exclude list, by URL, key or bytes
    PRIVATE_ADDRESS = "private_address"  # the host, or one redirected to, is at an address that is not public

    # It may go better another time: asked again by a later run, and those in RETRIED within this one.
    RATE_LIMITED = "rate_limited"  # HTTP 429
    SERVER_ERROR = "server_error"  # HTTP 5xx
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"  # the server fell silent
    DEADLINE = "deadline"  # the whole request took too long, though bytes kept coming
    RESET = "reset"  # the connection was closed or broke off before the answer
    INCOMPLETE = "incomplete"  # fewer bytes than announced
    REFUSED = "refused"  # no connection: refused, or no route
    DNS = "dns"  # the host's name does not resolve
    TLS = "tls"  # certificate or handshake
    PROTOCOL = "protocol"  # an answer that is not HTTP

    # Local entries: read afresh each time.
    MISSING = "missing"  # no such file, or no such member of the tar
    OUTSIDE_ROOT = "outside_root"  # leads out of the source's root, by `..` or by a link
    UNREADABLE = "unreadable"  # exists, and cannot be read

    # The bytes came and are not an image to use: judged afresh each time.
    EMPTY = "empty"  # no bytes
    HTML = "html"  # a page, or other markup
    PLACEHOLDER = "placeholder"  # what a photo service sends in place of a photo taken down
    TRUNCATED = "truncated"  # an image that ends early
    UNDECODABLE = "undecodable"  # no format that is known, or broken within
    TOO_SMALL = "too_small"  # a side shorter than the minimum
    BOMB = "bomb"  # more pixels than the cap
    # Sound, and of a kind that `FetchOptions.refuse` may name.
    ANIMATED = "animated"  # more than one frame or page
    CMYK = "cmyk"  # inks in place of red, green and blue
    SIXTEEN_BIT = "sixteen_bit"  # more than eight bits a channel
    TRANSPARENT = "transparent"  # an alpha channel, or a palette with transparency
    ROTATED = "rotated"  # EXIF asks for a rotation or a mirroring

    # Found by settle, where all classes are seen together.
    DUPLICATE = "duplicate"  # another place has the same bytes
    NEAR_COPY = "near_copy"  # an image of another part looks the same


TRANSIENT = frozenset(
    {
        ErrorClass.RATE_LIMITED,
        ErrorClass.SERVER_ERROR,
        ErrorClass.CONNECT_TIMEOUT,
        ErrorClass.READ_TIMEOUT,
        ErrorClass.DEADLINE,
        ErrorClass.RESET,
        ErrorClass.INCOMPLETE,
        ErrorClass.REFUSED,
        ErrorClass.DNS,
        ErrorClass.TLS,
        ErrorClass.PROTOCOL,
    }
)
"""Failures that a later run asks about again."""

NOT_KEPT = frozenset({ErrorClass.PRIVATE_ADDRESS})
"""What is this side's doing and no answer of the URL's, and left out of the cache."""

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
"""Failures tried again within a request: what passes in seconds. A name that does not resolve,
a refused connection or a used-up deadline does not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a URL, before anyone looked at the bytes.

    Attributes
    ----------
    url
        The URL or local path, as listed.
    body
        The bytes, or None where there are none to judge.
    error
        Why there is no body; None where there is one.
    http_status
        The last status, or None where no response came (and for local entries).
    attempts
        Requests made, redirects not counted; 0 where a rest that the host asked for forbade it.
    seconds
        Time from the first request to the end of the last, waits included; 0 for local entries.
    opted_out
        Whether the server asked, by X-Robots-Tag, not to take the image.
    from_private
        Whether the answer, or a redirect to it, came from an address that is not public.
    """

    url: str
    body: bytes | None = None
    error: ErrorClass | None = None
    http_status: int | None = None
    attempts: int = 1
    seconds: float = 0.0
    opted_out: bool = False
    from_private: bool = False


class Decision(NamedTuple):
    """What the bytes turned out to be.

    Attributes
    ----------
    error
        Why they are no image to use; None for a good one.
    suffix
        File suffix of the decoded format, without a dot; empty where the format is not known.
    width, height
        In pixels, as stored (before any rotation EXIF asks for); None where not known.
    """

    error: ErrorClass | None
    suffix: str = ""
    width: int | None = None
    height: int | None = None


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


@dataclass(frozen=True, slots=True)
class FetchResult:
    """One URL tried: its row in the manifest, and the suffix that its file in the tar gets."""

    url: str
    key: str
    error: ErrorClass | None
    http_status: int | None
    size_bytes: int | None
    sha256: str
    decision: Decision
    attempts: int
    seconds: float

    @property
    def is_ok(self) -> bool:
        """Whether the URL gave an image to use."""
        return self.error is None

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
