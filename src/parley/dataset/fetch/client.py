"""The one client: asks for many URLs at once, follows redirects, retries what may pass, and names every failure.

libcurl moves the bytes of all requests under way, in the caller's own thread. On the machine that
docs/performance.md names, an image of 42 kB costs a tenth of the processor time that a pool of
threads and a client in Python take for it.
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

from parley.core.addresses import is_web_url
from parley.dataset.fetch.addresses import names_private_host
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outage import OutageWatch
from parley.dataset.fetch.outcomes import RETRIED, Answer, ErrorClass
from parley.dataset.fetch.queues import HostQueues
from parley.dataset.fetch.transfer import Response, Transfer
from parley.dataset.web import proxy_for

_USUAL_PORTS = (None, 80, 443)
_LONGEST_WAIT_S = 0.25
_SILENCE_LOOKED_FOR_S = 0.05
_NOT_IN_A_URL = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")


@dataclass(slots=True)
class _Request:
    """A URL on its way to an answer."""

    url: str
    token: Hashable
    target: str  # what is asked for next: the URL, or where it was redirected to
    left_s: float  # of this attempt
    known_unreachable: bool
    attempt: int = 1
    redirects: int = 0
    began: float = 0.0  # the first attempt
    first_target: str = ""  # the URL as it goes over the wire
    from_private: bool = False  # any answer on the way


class Client:
    """Asks for URLs, many at once, from one thread.

    Parameters
    ----------
    options
        Time-outs, caps and retries.
    """

    def __init__(self, options: FetchOptions) -> None:
        self.options = options
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, 2 * options.threads)
        self._idle: list[Transfer] = []
        self._active: dict[pycurl.Curl, tuple[Transfer, _Request, str]] = {}
        self._queues: HostQueues[_Request] = HostQueues(options.per_host)
        self._proxies = {scheme: proxy for scheme, proxy in getproxies().items() if scheme in ("http", "https")}
        self._answers: list[tuple[Hashable, Answer]] = []
        self._looked_for_silence = 0.0
        self._outage = OutageWatch()
        # Hosts that want to be left alone for longer than anybody waits: until when, and what they said.
        self._closed: dict[str, tuple[float, ErrorClass | None]] = {}
        self.in_flight = 0
        """URLs asked for and not answered yet."""
        self.places = options.threads
        """Requests that may be on the wire at once."""

    def ask(self, url: str, token: Hashable, known_unreachable: bool = False) -> None:
        """Ask for a URL; what comes of it is returned by a later `turn`, with the token.

        Parameters
        ----------
        url
            The URL.
        token
            Tells its answer from others.
        known_unreachable
            Whether an earlier run could not reach it.
        """
        self.in_flight += 1
        request = _Request(url, token, url, self.options.deadline_s, known_unreachable, began=time.monotonic())
        self._enqueue(request)
        request.first_target = request.target

    def turn(self, patience_s: float | None = None) -> list[tuple[Hashable, Answer]]:
        """Move all requests on, and return the answers that are there.

        Parameters
        ----------
        patience_s
            How long to wait at most where there is none; None for a while.

        Raises
        ------
        ParleyError
            When host after host cannot be reached.
        """
        self._move()
        patience_s = _LONGEST_WAIT_S if patience_s is None else patience_s
        if not self._answers and patience_s > 0 and self.in_flight:
            self._wait(patience_s)
            self._move()
        answers, self._answers = self._answers, []
        return answers

    def get(self, url: str) -> Answer:
        """Ask for one URL and wait for its answer.

        Raises
        ------
        ParleyError
            When host after host cannot be reached.
        """
        self.ask(url, url)
        while True:
            for _, answer in self.turn():
                return answer

    def close(self) -> None:
        """Break off whatever is under way."""
        for curl in list(self._active):
            self._multi.remove_handle(curl)
        self._active.clear()
        self._multi.close()

    def _enqueue(self, request: _Request, first: bool = False) -> None:
        """Let a request wait for its host, or answer it where there is no host to ask."""
        try:
            request.target = _in_ascii(request.target)
            host = host_of(request.target)
        except ValueError:
            self._answer(request, Response(None, ErrorClass.BAD_URL, None))
        else:
            self._queues.add(host, request, first)

    def _move(self) -> None:
        now = time.monotonic()
        while len(self._active) < self.places and (taken := self._queues.take(now)) is not None:
            self._start(*taken)
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        more = True
        while more:
            more, well, ill = self._multi.info_read()
            for curl in well:
                self._end(curl, 0)
            for curl, code, _ in ill:
                self._end(curl, code)
        self._end_the_silent()

    def _start(self, host: str, request: _Request) -> None:
        if host in self._closed and self._stays_closed(host, request):
            return
        proxy = proxy_for(request.target, self._proxies)
        if proxy and not self.options.allow_private_hosts and names_private_host(request.target):
            self._queues.release(host)
            self._answer(request, Response(None, ErrorClass.PRIVATE_ADDRESS, None))
            return
        transfer = self._idle.pop() if self._idle else Transfer(self.options)
        transfer.begin(request.target, request.left_s, proxy)
        self._active[transfer.curl] = transfer, request, host
        self._multi.add_handle(transfer.curl)

    def _stays_closed(self, host: str, request: _Request) -> bool:
        """Answer a request for a host that wants a long rest, without asking; say whether it still does."""
        until, error = self._closed[host]
        if time.monotonic() >= until:
            del self._closed[host]
            return False
        self._queues.release(host)
        request.attempt -= 1
        self._answer(request, Response(None, error, None))
        return True

    def _end(self, curl: pycurl.Curl, code: int) -> None:
        transfer, request, host = self._active.pop(curl)
        response = transfer.response(code)
        self._multi.remove_handle(curl)
        self._go_on(transfer, request, host, response)

    def _end_the_silent(self) -> None:
        now = time.monotonic()
        if now - self._looked_for_silence < _SILENCE_LOOKED_FOR_S:
            return
        self._looked_for_silence = now
        for curl, (transfer, request, host) in list(self._active.items()):
            if transfer.is_silent(now):
                del self._active[curl]
                response = transfer.response(None)
                self._multi.remove_handle(curl)  # Which closes the connection.
                self._go_on(transfer, request, host, response)

    def _go_on(self, transfer: Transfer, request: _Request, host: str, response: Response) -> None:
        """Follow a redirect, try again, or answer."""
        now = time.monotonic()
        request.left_s -= now - transfer.started
        request.from_private |= response.from_private
        self._idle.append(transfer)
        if response.wait_s:  # Said by the host, and meant for all that is wanted of it.
            self._leave_alone(host, response, now)
        if response.redirect:
            self._redirect(request, response)
        elif response.error in RETRIED and request.attempt < self.options.attempts:
            self._retry(request, response, now)
        else:
            self._answer(request, response)
        # Last, so that the host's next request does not overtake one that goes on.
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

    def _leave_alone(self, host: str, response: Response, now: float) -> None:
        if response.wait_s > self.options.longest_wait_s:
            self._closed[host] = now + response.wait_s, response.error
        else:
            self._queues.pause(host, now + response.wait_s)

    def _retry(self, request: _Request, response: Response, now: float) -> None:
        wait_s = max(response.wait_s, self._backoff_s(request.attempt))
        if wait_s > self.options.longest_wait_s:
            self._answer(request, response)
            return
        request.target, request.redirects, request.left_s = request.first_target, 0, self.options.deadline_s
        request.attempt += 1
        self._queues.add_later(host_of(request.first_target), request, now + wait_s)

    def _backoff_s(self, attempt: int) -> float:
        # The jitter keeps requests that failed together from coming back together; nothing depends on its value.
        return self.options.backoff_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311  # nosec B311

    def _answer(self, request: _Request, response: Response) -> None:
        self.in_flight -= 1
        seconds = time.monotonic() - request.began
        answer = Answer(
            url=request.url,
            body=response.body,
            error=response.error,
            http_status=response.status,
            attempts=request.attempt,
            seconds=seconds,
            opted_out=response.opted_out,
            from_private=request.from_private,
        )
        self._answers.append((request.token, answer))
        if request.attempt:
            self._outage.note(request.url, response.error, request.known_unreachable)

    def _wait(self, patience_s: float) -> None:
        """Wait until something can be done: bytes, a time-out of libcurl's, or a retry that is due."""
        due = self._queues.next_time()
        if due is not None:
            patience_s = min(patience_s, max(due - time.monotonic(), 0.0))
        if self._active:
            patience_s = min(patience_s, _SILENCE_LOOKED_FOR_S)
            wanted_ms = self._multi.timeout()
            if wanted_ms >= 0:
                patience_s = min(patience_s, wanted_ms / 1000)
            if self._multi.select(patience_s) != -1:
                return
            patience_s = min(patience_s, 0.005)  # Nothing to watch yet, as while a name is looked up.
        time.sleep(patience_s)


def _in_ascii(url: str) -> str:
    """Return a URL as it goes over the wire; what may not stand in one is percent-encoded.

    Raises
    ------
    ValueError
        When it cannot be made sense of.
    """
    if not _NOT_IN_A_URL.search(url):
        return url
    try:
        return parse_url(url).url
    except LocationValueError as error:
        raise ValueError(str(error)) from error


def host_of(url: str) -> str:
    """Return whom a request for a URL is a burden to: the host, with its port where that is an unusual one.

    Raises
    ------
    ValueError
        When it names no host.
    """
    parts = urlsplit(url)
    if not parts.hostname or any(not 0 < len(label) < 64 for label in parts.hostname.rstrip(".").split(".")):
        raise ValueError(f"{url} names no host")
    host = parts.hostname.rstrip(".")
    return host if parts.port in _USUAL_PORTS else f"{host}:{parts.port}"
