"""The one client: asks for a URL, follows redirects, retries what may pass, and names every failure."""

import email.utils
import http.client
import logging
import random
import threading
import time
from datetime import UTC, datetime
from typing import NamedTuple

import urllib3
from urllib3 import exceptions

from parley.errors import ParleyError
from parley.fetch.deadline import POOL_CLASSES, until
from parley.fetch.options import FetchOptions
from parley.fetch.outcomes import RETRIED, Answer, ErrorClass
from parley.web import Web, is_web_url, redirect_target

logger = logging.getLogger(__name__)
UNREACHABLE_IN_A_ROW = 200
_UNREACHABLE = frozenset({ErrorClass.DNS, ErrorClass.CONNECT_TIMEOUT, ErrorClass.REFUSED})
_PIECE_BYTES = 1 << 16
_DISCARDED_BYTES = 1 << 16  # An error page up to this size is read to its end, so that the connection can be kept.
_STATUS_ERRORS = {
    200: None,
    203: None,
    401: ErrorClass.FORBIDDEN,
    402: ErrorClass.FORBIDDEN,
    403: ErrorClass.FORBIDDEN,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.READ_TIMEOUT,
    410: ErrorClass.GONE,
    429: ErrorClass.RATE_LIMITED,
    451: ErrorClass.FORBIDDEN,
}
# The first that fits names the failure, so a subclass stands before its base.
_EXCEPTION_ERRORS: tuple[tuple[type[Exception], ErrorClass], ...] = (
    (exceptions.NameResolutionError, ErrorClass.DNS),
    (exceptions.NewConnectionError, ErrorClass.REFUSED),
    (exceptions.ConnectTimeoutError, ErrorClass.CONNECT_TIMEOUT),
    (exceptions.ProxyError, ErrorClass.REFUSED),
    (exceptions.ReadTimeoutError, ErrorClass.READ_TIMEOUT),
    (exceptions.SSLError, ErrorClass.TLS),
    (exceptions.IncompleteRead, ErrorClass.INCOMPLETE),
    (exceptions.InvalidChunkLength, ErrorClass.INCOMPLETE),
    (exceptions.LocationParseError, ErrorClass.BAD_URL),
    (exceptions.LocationValueError, ErrorClass.BAD_URL),
    (http.client.InvalidURL, ErrorClass.BAD_URL),
    (UnicodeError, ErrorClass.BAD_URL),
    (exceptions.HTTPError, ErrorClass.PROTOCOL),
    (http.client.HTTPException, ErrorClass.PROTOCOL),
    (OSError, ErrorClass.RESET),
)


class _Response(NamedTuple):
    """What one attempt gave."""

    body: bytes | None
    error: ErrorClass | None
    status: int | None
    wait_s: float  # as the server asks; 0 where it does not


class Client:
    """Asks for URLs, safe to share between threads.

    Parameters
    ----------
    options
        Time-outs, caps and retries.
    """

    def __init__(self, options: FetchOptions) -> None:
        self.options = options
        self._web = Web(options.threads, options.contact, POOL_CLASSES)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._unreachable_in_a_row = 0

    def stop(self) -> None:
        """Wait no longer between attempts: the work was called off."""
        self._stopping.set()

    def get(self, url: str) -> Answer:
        """Ask for a URL, again where the failure may pass, and return what came of it.

        Raises
        ------
        ParleyError
            When host after host cannot be reached.
        """
        started = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            response = self._attempt(url)
            if response.error not in RETRIED or attempt >= self.options.attempts:
                break
            wait_s = max(response.wait_s, self._backoff_s(attempt))
            if wait_s > self.options.longest_wait_s or self._stopping.wait(wait_s):
                break
        self._watch_for_an_outage(url, response.error)
        seconds = time.monotonic() - started
        return Answer(url, response.body, response.error, response.status, attempt, seconds)

    def _watch_for_an_outage(self, url: str, error: ErrorClass | None) -> None:
        """Stop when nothing is reachable: this machine is offline then, and would use up every reserve."""
        with self._lock:
            self._unreachable_in_a_row = self._unreachable_in_a_row + 1 if error in _UNREACHABLE else 0
            if self._unreachable_in_a_row >= UNREACHABLE_IN_A_ROW:
                raise ParleyError(
                    f"{UNREACHABLE_IN_A_ROW} URLs in a row could not be reached ({error}; the last is {url}). "
                    "Look to the network and run again: what is fetched already is kept."
                )

    def _backoff_s(self, attempt: int) -> float:
        # The jitter keeps workers that failed together from coming back together; nothing depends on its value.
        return self.options.backoff_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311

    def _attempt(self, url: str) -> _Response:
        deadline = time.monotonic() + self.options.deadline_s
        try:
            with until(deadline):
                return self._follow(url, deadline)
        except (exceptions.HTTPError, http.client.HTTPException, UnicodeError, OSError) as failure:
            return _Response(None, _failure_class(failure, deadline), None, 0.0)

    def _follow(self, url: str, deadline: float) -> _Response:
        """Go from redirect to redirect until there is a body, or an end to it."""
        for _ in range(self.options.max_redirects + 1):
            response = self._web.get(url, self._timeout(deadline))
            target = redirect_target(url, response)
            if target is None:
                return self._read(response)
            status = response.status
            _discard(response)
            if not is_web_url(target):
                return _Response(None, ErrorClass.BAD_REDIRECT, status, 0.0)
            url = target
        return _Response(None, ErrorClass.REDIRECT_LOOP, status, 0.0)

    def _timeout(self, deadline: float) -> urllib3.Timeout:
        left = max(deadline - time.monotonic(), 0.001)
        return urllib3.Timeout(
            connect=min(self.options.connect_timeout_s, left), read=min(self.options.read_timeout_s, left)
        )

    def _read(self, response: urllib3.BaseHTTPResponse) -> _Response:
        status = response.status
        error = _status_error(status)
        if error is not None:
            wait_s = _wait_asked_for(response.headers.get("Retry-After", ""))
            _discard(response)
            return _Response(None, error, status, wait_s)
        body = self._body(response)
        if body is None:
            return _Response(None, ErrorClass.TOO_LARGE, status, 0.0)
        return _Response(body, None, status, 0.0)

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes | None:
        """Read a body up to the cap; None where it is larger, whatever it announced."""
        announced = response.headers.get("Content-Length", "")
        pieces, size = [], 0
        if not (announced.isdigit() and int(announced) > self.options.max_bytes):
            while piece := response.read(_PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > self.options.max_bytes:
                    break
            else:
                return b"".join(pieces)
        response.close()
        return None


def _discard(response: urllib3.BaseHTTPResponse) -> None:
    """Read a short body that nobody wants; close the connection on a long one."""
    try:
        response.read(_DISCARDED_BYTES)
    except exceptions.HTTPError as failure:  # The status says what came of the URL already.
        logger.debug("an unwanted body ended badly: %s", failure)
    finally:
        response.close()


def _status_error(status: int) -> ErrorClass | None:
    if status in _STATUS_ERRORS:
        return _STATUS_ERRORS[status]
    return ErrorClass.SERVER_ERROR if status >= 500 else ErrorClass.HTTP_ERROR


def _failure_class(failure: Exception, deadline: float) -> ErrorClass:
    """Name the failure of an attempt that ended without a response."""
    if time.monotonic() >= deadline:
        return ErrorClass.DEADLINE
    causes = [failure, *(cause for cause in failure.args if isinstance(cause, Exception))]
    if any(isinstance(cause, ConnectionError) for cause in causes):  # RemoteDisconnected is one too.
        return ErrorClass.RESET
    return next(error for kind, error in _EXCEPTION_ERRORS if any(isinstance(cause, kind) for cause in causes))


def _wait_asked_for(retry_after: str) -> float:
    """Return the wait in seconds that a Retry-After header asks for: a number of seconds, or a date."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((date - datetime.now(UTC)).total_seconds(), 0.0)
