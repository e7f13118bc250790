"""Interpret the status and headers of an HTTP response: errors, redirects, Retry-After, X-Robots-Tag."""

import email.utils
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urljoin

from parley.dataset.fetch.outcomes import ErrorClass

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STATUS_ERRORS = {
    200: None,
    401: ErrorClass.FORBIDDEN,
    402: ErrorClass.FORBIDDEN,
    403: ErrorClass.FORBIDDEN,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.READ_TIMEOUT,
    410: ErrorClass.GONE,
    429: ErrorClass.RATE_LIMITED,
    451: ErrorClass.FORBIDDEN,
}
_IN_A_URL = "!#$%&'()*+,-./:;=?@[]_~"
_OPT_OUTS = frozenset({"noai", "noimageai"})
_OUR_NAMES = frozenset({"parley", "*"})
# Directives that take a value after a colon; otherwise a colon follows the name of a robot.
_WITH_VALUES = frozenset({"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"})
_ROBOT_NAME = re.compile(r"[a-z*_][a-z0-9*_./-]*")


def status_error(status: int) -> ErrorClass | None:
    """Return the error class of an HTTP status; None for 200."""
    if status in _STATUS_ERRORS:
        return _STATUS_ERRORS[status]
    return ErrorClass.SERVER_ERROR if status >= 500 else ErrorClass.HTTP_ERROR


def headers_of(lines: Iterable[bytes]) -> dict[str, list[str]]:
    """Return a response's headers from its lines: lower-case names, and the values in order."""
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return headers


def wait_asked_for(headers: Mapping[str, list[str]]) -> float:
    """Return the wait in seconds that `Retry-After` asks for: a number of seconds, or a date; 0 without one."""
    value = headers.get("retry-after", [""])[-1]
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max((date - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, OverflowError):  # No value, or an invalid date.
        return 0.0


def opts_out(headers: Mapping[str, list[str]]) -> bool:
    """Return True if `X-Robots-Tag` forbids using the image to train models.

    A value is a comma-separated list of directives. A robot's name before a directive limits it and the following
    ones to that robot, as in ``otherbot: noai, noindex``. Some directives have values that may themselves contain
    a colon or a comma.
    """
    for value in headers.get("x-robots-tag", ()):
        is_meant = True
        for directive in re.split("[,;]", value.lower()):
            name, colon, rest = (part.strip() for part in directive.partition(":"))
            if colon and name not in _WITH_VALUES and _ROBOT_NAME.fullmatch(name):
                is_meant, name = name in _OUR_NAMES, rest
            if is_meant and name in _OPT_OUTS:
                return True
    return False


def redirect_of(headers: Mapping[str, list[str]], url: str) -> str:
    """Return the absolute address in `Location`; empty if there is none.

    Bytes that are not allowed in a URL are percent-encoded.
    """
    location = headers.get("location", [""])[-1]
    if not location:
        return ""
    try:
        return urljoin(url, quote(location.encode("latin-1"), safe=_IN_A_URL))
    except ValueError:  # Brackets without an IPv6 address.
        return location
