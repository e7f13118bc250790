"""HTTP client that fetches many URLs at once, follows redirects, retries transient errors and classifies failures.

libcurl runs all requests in the caller's thread. On the machine described in docs/development/performance.md, fetching
a 42 kB image takes a tenth of the CPU time that a Python client with a thread pool needs.
"""

import random
import re
import time
from collections.abc import Hashable
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies

import pycurl
from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from parley.core.files import is_web_url
from parley.dataset.fetch.hosts import HostQueues, OutageWatch
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import RETRIED, Answer, ErrorClass
from parley.dataset.fetch.transfer import Response, Transfer
from parley.dataset.web_rules import names_private_host, proxy_for

_USUAL_PORTS = (None, 80, 443)
_DEFAULT_PATIENCE_S = 0.25
_STALL_CHECK_S = 0.05
_INVALID_IN_URL = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")


@dataclass(slots=True)
class _Request:
    """A submitted URL that has no answer yet."""

    url: str
    token: Hashable
    target: str  # URL to request next: the submitted URL, or the target of a redirect
    left_s: float  # seconds left for this attempt
    known_unreachable: bool  # True if an earlier run could not reach the URL's host
    attempt: int = 1
    redirects: int = 0
    began: float = 0.0  # time when the URL was submitted
    first_target: str = ""  # the submitted URL, percent-encoded to ASCII
    from_private: bool = False  # True if any response so far came from a private address


class Client:
    """Fetches many URLs concurrently from one thread."""

    def __init__(self, options: FetchOptions) -> None:
        self.options = options
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, 2 * options.threads)
        self._idle: list[Transfer] = []
        self._active: dict[pycurl.Curl, tuple[Transfer, _Request, str]] = {}
        self._queues: HostQueues[_Request] = HostQueues(options.per_host)
        self._proxies = {scheme: proxy for scheme, proxy in getproxies().items() if scheme in ("http", "https")}
        self._answers: list[tuple[Hashable, Answer]] = []
        self._stalled_checked_at = 0.0
        self._outage = OutageWatch()
        # For each host whose Retry-After exceeds `longest_wait_s`: when it may be contacted again, and its last error.
        self._closed: dict[str, tuple[float, ErrorClass | None]] = {}
        self.in_flight = 0
        """Number of submitted URLs that have no answer yet."""
        self.max_active = options.threads
        """Maximum number of concurrent requests."""

    def submit(self, url: str, token: Hashable, known_unreachable: bool = False) -> None:
        """Submit a URL. A later `poll` returns its answer together with `token`.

        Set `known_unreachable` if an earlier run could not reach the URL's host.
        """
        self.in_flight += 1
        request = _Request(url, token, url, self.options.deadline_s, known_unreachable, began=time.monotonic())
        self._enqueue(request)
        request.first_target = request.target

    def poll(self, patience_s: float | None = None) -> list[tuple[Hashable, Answer]]:
        """Advance all requests, and return the answers that are finished.

        Parameters
        ----------
        patience_s
            Longest wait in seconds if no answer is ready. None means 0.25 s.

        Raises
        ------
        ParleyError
            If too many URLs in a row cannot be reached (see `OutageWatch`).
        """
        self._advance()
        patience_s = _DEFAULT_PATIENCE_S if patience_s is None else patience_s
        if not self._answers and patience_s > 0 and self.in_flight:
            self._wait(patience_s)
            self._advance()
        answers, self._answers = self._answers, []
        return answers

    def close(self) -> None:
        """Abort all requests."""
        for curl in list(self._active):
            self._multi.remove_handle(curl)
        self._active.clear()
        self._multi.close()

    def _enqueue(self, request: _Request, first: bool = False) -> None:
        """Add a request to its host's queue. If the URL has no valid host, answer the request at once with an error."""
        try:
            request.target = _percent_encoded(request.target)
            host = host_of(request.target)
        except ValueError:
            self._answer(request, Response(None, ErrorClass.BAD_URL, None))
        else:
            self._queues.add(host, request, first)

    def _advance(self) -> None:
        """Start queued requests, let libcurl transfer data, and end the transfers that are finished or stalled."""
        now = time.monotonic()
        while len(self._active) < self.max_active and (taken := self._queues.take(now)) is not None:
            self._start(*taken)
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        more = True
        while more:
            more, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._end(curl, 0)
            for curl, code, _ in failed:
                self._end(curl, code)
        self._end_stalled()

    def _start(self, host: str, request: _Request) -> None:
        if host in self._closed and self._answer_if_closed(host, request):
            return
        proxy = proxy_for(request.target, self._proxies)
        if proxy and not self.options.allow_private_hosts and names_private_host(request.target):
            self._queues.release(host)
            self._answer(request, Response(None, ErrorClass.PRIVATE_ADDRESS, None))
            return
        transfer = self._idle.pop() if self._idle else Transfer(self.options)
        transfer.begin(request.target, request.left_s, proxy, fresh=request.attempt > 1)
        self._active[transfer.curl] = transfer, request, host
        self._multi.add_handle(transfer.curl)

    def _answer_if_closed(self, host: str, request: _Request) -> bool:
        """If the host must not be contacted yet, answer the request with the host's last error and return True."""
        until, error = self._closed[host]
        if time.monotonic() >= until:
            del self._closed[host]
            return False
        self._queues.release(host)
        request.attempt -= 1
        self._answer(request, Response(None, error, None))
        return True

    def _end_stalled(self) -> None:
        now = time.monotonic()
        if now - self._stalled_checked_at < _STALL_CHECK_S:
            return
        self._stalled_checked_at = now
        for curl, (transfer, _, _) in list(self._active.items()):
            if transfer.is_stalled(now):
                self._end(curl, None)

    def _end(self, curl: pycurl.Curl, code: int | None) -> None:
        """End a transfer: follow its redirect, retry it, or store its answer. For `code`, see `Transfer.response`."""
        transfer, request, host = self._active.pop(curl)
        response = transfer.response(code)
        self._multi.remove_handle(curl)  # If the response is incomplete, this closes the connection.
        now = time.monotonic()
        request.left_s -= now - transfer.started
        request.from_private |= response.from_private
        self._idle.append(transfer)
        # Retry-After applies to every request for this host.
        if response.wait_s > self.options.longest_wait_s:
            self._closed[host] = now + response.wait_s, response.error
        elif response.wait_s:
            self._queues.pause(host, now + response.wait_s)
        if response.redirect:
            self._redirect(request, response)
        elif response.error in RETRIED and request.attempt < self.options.attempts:
            self._retry(request, response, now)
        else:
            self._answer(request, response)
        # A redirect to the same host is now at the head of the host's queue, so it precedes the queued requests.
        self._queues.release(host)

    def _redirect(self, request: _Request, response: Response) -> None:
        request.redirects += 1
        request.target = response.redirect
        if not is_web_url(response.redirect):
            self._answer(request, response._replace(error=ErrorClass.BAD_REDIRECT))
        elif request.redirects > self.options.max_redirects:
            self._answer(request, response._replace(error=ErrorClass.REDIRECT_LOOP))
        elif request.left_s <= 0:
            self._answer(request, response._replace(error=ErrorClass.DEADLINE))
        else:
            self._enqueue(request, first=True)

    def _retry(self, request: _Request, response: Response, now: float) -> None:
        # Jitter keeps requests that failed together from being retried together. No result depends on the jitter.
        jitter = random.uniform(0.5, 1.5)  # noqa: S311  # nosec B311
        wait_s = max(response.wait_s, self.options.backoff_s * 2.0 ** (request.attempt - 1) * jitter)
        if wait_s > self.options.longest_wait_s:
            self._answer(request, response)
            return
        request.target, request.redirects, request.left_s = request.first_target, 0, self.options.deadline_s
        request.attempt += 1
        self._queues.add_later(host_of(request.first_target), request, now + wait_s)

    def _answer(self, request: _Request, response: Response) -> None:
        self.in_flight -= 1
        answer = Answer(
            url=request.url,
            body=response.body,
            error=response.error,
            http_status=response.status,
            attempts=request.attempt,
            seconds=time.monotonic() - request.began,
            opted_out=response.opted_out,
            from_private=request.from_private,
            redirected_to=request.target if request.redirects else "",
        )
        self._answers.append((request.token, answer))
        if request.attempt:
            self._outage.note(request.url, response.error, request.known_unreachable)

    def _wait(self, patience_s: float) -> None:
        """Wait until data arrives, a libcurl timeout expires or a retry is due, whichever comes first."""
        due = self._queues.next_time()
        if due is not None:
            patience_s = min(patience_s, max(due - time.monotonic(), 0.0))
        if self._active:
            patience_s = min(patience_s, _STALL_CHECK_S)
            wanted_ms = self._multi.timeout()
            if wanted_ms >= 0:
                patience_s = min(patience_s, wanted_ms / 1000)
            if self._multi.select(patience_s) != -1:
                return
            patience_s = min(patience_s, 0.005)  # libcurl has no socket to watch yet, as during a DNS lookup.
        time.sleep(patience_s)


def _percent_encoded(url: str) -> str:
    """Return a URL in ASCII, with invalid characters percent-encoded.

    Raises
    ------
    ValueError
        If the URL cannot be parsed.
    """
    if not _INVALID_IN_URL.search(url):
        return url
    try:
        return parse_url(url).url
    except LocationValueError as error:
        raise ValueError(str(error)) from error


def host_of(url: str) -> str:
    """Return the host of a URL, for the limits per host. A port other than 80 and 443 is included.

    Raises
    ------
    ValueError
        If the URL has no valid host.
    """
    parts = urlsplit(url)
    if not parts.hostname or any(not 0 < len(label) < 64 for label in parts.hostname.rstrip(".").split(".")):
        raise ValueError(f"{url} names no host")
    host = parts.hostname.rstrip(".")
    return host if parts.port in _USUAL_PORTS else f"{host}:{parts.port}"
