"""Headers of HTTP requests that are secret, such as cookies, from an environment variable."""

import os
import re
from urllib.parse import urlsplit

from parley.core.errors import ParleyError

HEADERS = "PARLEY_HTTP_HEADERS"
"""Environment variable with headers, such as cookies, for certain hosts: `host Name: value`, one per line."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORTS = {"http": 80, "https": 443}


def secret_headers(url: str) -> dict[str, str]:
    """Return the headers for a URL's host from the environment variable `HEADERS`.

    Each line has a host, a space and a header. A host alone stands for https; `http://host:port` names any other
    scheme and port. Values are secret: they belong in no file, log or message.
    """
    found = {}
    for number, line in enumerate(os.environ.get(HEADERS, "").splitlines(), 1):
        host, _, header = line.strip().partition(" ")
        name, _, value = (part.strip() for part in header.partition(":"))
        origin = _origin(host if "://" in host else f"https://{host}")
        if not line.strip():
            continue
        if origin is None or not (_HEADER_NAME.fullmatch(name) and value.isascii() and value.isprintable() and value):
            raise ParleyError(
                f"Line {number} of the environment variable {HEADERS} must have a host, a space and a header, "
                "such as image-net.org Cookie: name=value."
            )
        if origin == _origin(url):
            found[name] = value
    return found


def _origin(url: str) -> tuple[str, str, int] | None:
    """Return a URL's scheme, host and port; None if it is not a URL of a web server."""
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        return (scheme, parts.hostname, parts.port or _PORTS[scheme]) if parts.hostname else None
    except (ValueError, KeyError):
        return None
