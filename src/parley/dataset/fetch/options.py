"""The settings of the fetch stage."""

from dataclasses import dataclass, fields
from typing import Any

from parley.core.errors import Findings

VERIFY = ("decode", "header")
REFUSABLE = ("animated", "cmyk", "sixteen_bit", "transparent", "rotated")
"""Kinds of valid but unusual image; the config decides whether each is refused."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Requests, timeouts, and which images are accepted.

    Attributes
    ----------
    threads
        Maximum number of concurrent requests.
    per_host
        Maximum number of concurrent requests to one host.
    attempts
        Maximum number of requests for one URL if its failures are transient (see `outcomes.RETRIED`).
    connect_timeout_s
        Longest wait for a connection, in seconds.
    read_timeout_s
        Longest time without a byte from the server, in seconds.
    deadline_s
        Longest total time of one request, in seconds: redirects, headers and body. (DNS lookups are done by the
        operating system and cannot be interrupted.)
    backoff_s
        Wait before the second attempt, in seconds; doubled for each further one, times a random 0.5 to 1.5.
    longest_wait_s
        If a server asks for a longer wait in seconds (Retry-After), its URLs are left for a later run.
    max_redirects
        Maximum number of redirects per request.
    max_bytes
        Larger bodies are rejected.
    contact
        Contact address in the User-Agent header, so that a server's owner can reach the operator.
    retry_failed
        If True, request URLs again that failed transiently in an earlier run; if False, keep the stored failure.
    verify
        `decode` decodes every image; `header` reads only the image's header.
    min_side
        Images whose shorter side is below this many pixels are refused.
    max_pixels
        Images with more pixels are refused before they are decoded.
    refuse
        Kinds of image to refuse, out of `REFUSABLE`.
    placeholder_sha256
        SHA-256 digests of further placeholder images for removed photos; Flickr's is recognised by its shape.
    placeholder_repeats
        Bytes that more URLs of a class than this return are treated as a placeholder.
    allow_private_hosts
        Allow requests to loopback, private, link-local and other addresses that are not public.
    obey_robots_tag
        Reject images whose response has `noai` or `noimageai` in X-Robots-Tag.
    excluded
        Image keys and SHA-256 digests that must not be used, as read by `parley.dataset.fetch.exclusions`.
    """

    threads: int = 32
    per_host: int = 8
    attempts: int = 3
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 20.0
    deadline_s: float = 60.0
    backoff_s: float = 1.0
    longest_wait_s: float = 60.0
    max_redirects: int = 5
    max_bytes: int = 20_000_000
    contact: str = ""
    retry_failed: bool = True
    verify: str = "decode"
    min_side: int = 32
    max_pixels: int = 50_000_000
    refuse: tuple[str, ...] = ("animated",)
    placeholder_sha256: tuple[str, ...] = ()
    placeholder_repeats: int = 5
    allow_private_hosts: bool = False
    obey_robots_tag: bool = True
    excluded: frozenset[str] = frozenset()

    def check(self) -> list[str]:
        """Return one sentence per invalid value."""
        findings = Findings()
        for field in fields(self):
            value: Any = getattr(self, field.name)
            least = 0 if field.name in ("backoff_s", "longest_wait_s", "max_redirects") else 1e-9
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value < least:
                findings.add(f"fetch.{field.name} is {value}; it must be {'at least' if not least else 'above'} 0.")
        if self.verify not in VERIFY:
            findings.add(f"fetch.verify is {self.verify!r}; it must be one of {', '.join(VERIFY)}.")
        if not (self.contact.isascii() and self.contact.isprintable()):
            findings.add(
                f"fetch.contact is {self.contact!r}; it goes into a header of HTTP, which takes ASCII letters, digits "
                "and signs. Name an address of mail or of a page."
            )
        for kind in self.refuse:
            if kind not in REFUSABLE:
                findings.add(f"fetch.refuse names {kind!r}; it must be one of {', '.join(REFUSABLE)}.")
        return findings.sentences
