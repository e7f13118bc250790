"""Settings of the fetch stage, and the exclude list (images that must never be used)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from parley.core.errors import Findings
from parley.core.text import text_lines
from parley.dataset.listing import image_key, is_key

VERIFY = ("decode", "header")
REFUSABLE = ("animated", "cmyk", "sixteen_bit", "transparent", "rotated")
"""Kinds of valid but unusual images that the setting `fetch.refuse` can list."""
EFFORT_ONLY = frozenset(
    {
        "threads",
        "per_host",
        "attempts",
        "connect_timeout_s",
        "read_timeout_s",
        "deadline_s",
        "backoff_s",
        "longest_wait_s",
        "max_redirects",
        "contact",
        "retry_failed",
    }
)
"""Options that affect how an image is requested, but not whether it is accepted. The name of the image set depends on
all other options."""
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Settings for the number of images, requests, timeouts, and the acceptance of images."""

    margin: float = 0.1  # additional images to fetch, as a fraction of a split's count; they replace duplicates
    threads: int = 32  # maximum number of concurrent requests
    per_host: int = 8  # maximum number of concurrent requests to one host
    attempts: int = 3  # maximum number of attempts per URL; only the errors in `outcomes.RETRIED` are retried
    connect_timeout_s: float = 10.0  # longest wait for a connection
    read_timeout_s: float = 20.0  # longest time without a byte from the server
    deadline_s: float = 60.0
    """Longest total time of one attempt, including redirects, headers and body. (DNS lookups are done by the operating
    system and cannot be interrupted.)"""
    backoff_s: float = 1.0
    """Wait before the second attempt, doubled for each further one. Each wait is multiplied by a random 0.5 to 1.5."""
    longest_wait_s: float = 60.0
    """If a host requests a longer wait (Retry-After), its remaining URLs are left for a later run."""
    max_redirects: int = 5  # maximum number of redirects per attempt
    max_bytes: int = 20_000_000  # maximum size of an image file; larger ones are rejected
    contact: str = ""
    """Contact address, sent in the User-Agent header so that the owner of a server can reach the user."""
    retry_failed: bool = True
    """If True, URLs with a transient error in an earlier run are requested again; if False, the error is kept."""
    verify: str = "decode"  # `decode` decodes all pixels of an image; `header` reads only its header
    min_side: int = 32  # minimum length of an image's shorter side, in pixels
    max_pixels: int = 50_000_000  # maximum number of pixels of an image, checked before decoding
    refuse: tuple[str, ...] = ("animated",)  # kinds of images to refuse, from `REFUSABLE`
    placeholder_sha256: tuple[str, ...] = ()
    """SHA-256 digests of images that servers return instead of removed photos. Flickr's image needs no entry."""
    placeholder_repeats: int = 5
    """If more than this number of URLs of a class return the same image, the image is treated as a placeholder."""
    allow_private_hosts: bool = False
    """Allow requests to loopback, private, link-local and other addresses that are not public."""
    obey_robots_tag: bool = True  # reject images whose response has `noai` or `noimageai` in X-Robots-Tag
    excluded: frozenset[str] = frozenset()
    """Image keys and SHA-256 digests that must not be used, as returned by `read_exclusions`."""

    def check(self) -> None:
        """Raise a `ParleyError` that lists all invalid values."""
        findings = Findings()
        for field in fields(self):
            value: Any = getattr(self, field.name)
            may_be_0 = field.name in ("margin", "backoff_s", "longest_wait_s", "max_redirects")
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value < (0 if may_be_0 else 1e-9):
                findings.add(f"fetch.{field.name} is {value}; it must be {'at least' if may_be_0 else 'above'} 0.")
        if self.verify not in VERIFY:
            findings.add(f"fetch.verify is {self.verify!r}; it must be one of {', '.join(VERIFY)}.")
        if not (self.contact.isascii() and self.contact.isprintable()):
            findings.add(
                f"fetch.contact is {self.contact!r}; it is sent in an HTTP header and must be printable ASCII, "
                "for example an email address or the address of a web page."
            )
        for kind in self.refuse:
            if kind not in REFUSABLE:
                findings.add(f"fetch.refuse contains {kind!r}; each entry must be one of {', '.join(REFUSABLE)}.")
        findings.raise_if_any()


def content_settings(fetch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the config section `fetch` that affect which images are stored."""
    return {field.name: fetch[field.name] for field in fields(FetchOptions) if field.name in fetch.keys() - EFFORT_ONLY}


def read_exclusions(path: str | Path | None) -> frozenset[str]:
    """Read an exclude list.

    Parameters
    ----------
    path
        UTF-8 text with one entry per line: a URL or local path as listed by a source, an image key, or the
        SHA-256 of an image's bytes. A `#` at the start of a line or after white space begins a comment. None means
        that there is no list.

    Returns
    -------
    Image keys and SHA-256 digests in hexadecimal; URLs and paths are converted to keys.

    Raises
    ------
    ParleyError
        If the file cannot be read or has invalid lines. The error lists all invalid lines.
    """
    if path is None:
        return frozenset()
    findings, excluded = Findings(), set()
    for number, line in enumerate(text_lines(path, "check fetch.exclude"), start=1):
        entry = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if re.search(r"\s", entry):
            findings.add(
                f"{path}, line {number}: {entry!r} contains white space; write one URL, key or SHA-256 per line."
            )
        elif entry:
            excluded.add(_name_of(entry))
    findings.raise_if_any()
    return frozenset(excluded)


def _name_of(entry: str) -> str:
    lowered = entry.lower()
    return lowered if _SHA256.fullmatch(lowered) or is_key(lowered) else image_key(entry)
