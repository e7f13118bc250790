"""Send GET requests for files by `requests`, with rules of our own for addresses, redirects, speed and encodings."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3 import exceptions as urllib3_errors
from urllib3.connection import HTTPConnection, HTTPSConnection

from parley.core.files import is_web_url
from parley.dataset.connection_watchdog import LEAST_BYTES_PER_S, Watchdog
from parley.dataset.secret_headers import secret_headers
from parley.dataset.web_rules import (
    UnavailableError,
    certificates,
    is_public,
    names_private_host,
    proxy_for,
    user_agent,
)

CHUNK_BYTES = 1 << 17
MOST_REDIRECTS = 5
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRANSIENT_ERRORS = (
    *(ConnectionResetError, ConnectionAbortedError, BrokenPipeError, RemoteDisconnected, TimeoutError, IncompleteRead),
    *(ssl.SSLEOFError, ssl.SSLZeroReturnError, urllib3_errors.TimeoutError, urllib3_errors.IncompleteRead),
)
_LONGEST_TEXT = 200
_MOST_ADDRESSES = 8
"""Maximum number of a host's addresses to try. Each may take the whole timeout, and a name server decides how many."""


class Response(NamedTuple):
    """Response to a GET request: its status and headers, and its body as sent, without any decoding."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    length_bytes: int | None
    """Number of bytes of the body; None if unknown."""


@contextmanager
def opened(url: str, headers: Mapping[str, str], allow_private_hosts: bool, timeout_s: float) -> Iterator[Response]:
    """Send a GET request, follow redirects, and yield the response, whose status is 200, 206 or 416.

    Respects the environment variables `http_proxy`, `https_proxy`, `no_proxy`, `SSL_CERT_FILE` and
    `PARLEY_HTTP_HEADERS`.

    Parameters
    ----------
    url
        An http or https URL.
    headers
        Additional headers to send.
    allow_private_hosts
        Whether addresses that are not public may be contacted. A proxy may have any address.
    timeout_s
        Timeout, in seconds, for connecting and between two pieces of data. A response that takes twice as long, or a
        body of which fewer than `LEAST_BYTES_PER_S` arrive on average over this time, also times out.

    Raises
    ------
    UnavailableError
        If there is no such response, also while `Response.chunks` is read.
    """
    with Watchdog(timeout_s) as watchdog, _Session(watchdog, allow_private_hosts) as session:
        with _explained(watchdog):
            response = session.follow(url, headers, timeout_s)
        with response:
            if response.status_code not in (200, 206, 416):
                transient, wait = response.status_code in _TRANSIENT_STATUS, response.headers.get("Retry-After", "")
                raise UnavailableError(f"HTTP status {response.status_code}", transient, wait)
            watchdog.expect_body()
            length: int | None = response.raw.length_remaining
            if length is None and "Content-Length" in response.headers and not response.raw.chunked:
                raise UnavailableError("its Content-Length is no number")
            yield Response(response.status_code, response.headers, _chunks(response, watchdog), length)


def _chunks(response: requests.Response, watchdog: Watchdog) -> Iterator[bytes]:
    while True:
        with _explained(watchdog):
            chunk: bytes = response.raw.read1(CHUNK_BYTES, decode_content=False)
            # A connection that the watchdog has shut down may look like one that the server has closed.
            if not chunk and watchdog.timed_out:
                raise TimeoutError
        if not chunk:
            return
        watchdog.received(len(chunk))
        yield chunk


class _PrivateAddressError(urllib3_errors.HTTPError):
    """Raised for an address that is not public."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{_printable(host)[:_LONGEST_TEXT]} has no public address; if you trust it, set "
            "fetch.allow_private_hosts: true"
        )


class _Session(requests.Session):
    """A session that checks addresses, sends secret headers to their hosts only, and never reads a body itself."""

    def __init__(self, watchdog: Watchdog, allow_private_hosts: bool) -> None:
        super().__init__()
        # Otherwise passwords in ~/.netrc would be sent. Proxies and certificates are looked up as for images.
        self.trust_env = False
        self.verify = certificates()
        # Archives are already compressed, and a content encoding would hide their true size.
        self.headers.update({"User-Agent": user_agent(), "Accept-Encoding": "identity"})
        self._allow_private_hosts = allow_private_hosts
        adapter = _Adapter(watchdog, allow_private_hosts)
        for prefix in ("http://", "https://"):
            self.mount(prefix, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None. Requests would read and decode the whole body of a redirect, of whatever size."""

    def follow(self, url: str, headers: Mapping[str, str], timeout_s: float) -> requests.Response:
        """Send a GET request, and follow redirects to the response that is none."""
        for _ in range(MOST_REDIRECTS + 1):
            response = self._get(url, headers, timeout_s)
            target = super().get_redirect_target(response)
            if target is None:
                return response
            response.close()
            url = urljoin(url, target)
            if not is_web_url(url):
                raise UnavailableError(f"it redirects to {_printable(url)[:40]}, which is not http or https")
        raise UnavailableError(f"more than {MOST_REDIRECTS} redirects")

    def _get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> requests.Response:
        scheme = urlsplit(url).scheme
        proxies = {scheme: at for scheme, at in getproxies().items() if scheme in ("http", "https")}
        proxy = proxy_for(url, proxies)
        # The proxy resolves names, so only addresses in digits can be checked.
        if proxy and not self._allow_private_hosts and names_private_host(url):
            raise _PrivateAddressError(urlsplit(url).hostname or "")
        return self.get(
            url,
            headers={**secret_headers(url), **headers},
            proxies={scheme: proxy} if proxy else None,
            timeout=timeout_s,
            stream=True,
            allow_redirects=False,
        )


class _Adapter(HTTPAdapter):
    """Makes connections of urllib3 whose addresses are checked and that a watchdog watches."""

    def __init__(self, watchdog: Watchdog, allow_private_hosts: bool) -> None:
        def connected(connection: HTTPConnection, connect: Callable[[], socket.socket]) -> socket.socket:
            # The user chose the proxy, so it may have a private address.
            is_any_allowed = allow_private_hosts or connection.proxy is not None
            return watchdog.watch(connect() if is_any_allowed else _connected_to_public(connection, connect))

        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return connected(self, super()._new_conn)

        class SecureConnection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return connected(self, super()._new_conn)

        self._pools = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": Connection}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": SecureConnection}),
        }
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _connected_to_public(connection: HTTPConnection, connect: Callable[[], socket.socket]) -> socket.socket:
    """Resolve a connection's host, and connect to the first of its public addresses that accepts."""
    host = connection._dns_host
    try:
        found = socket.getaddrinfo(host.strip("[]"), connection.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise urllib3_errors.NameResolutionError(host, connection, error) from error
    public = [address for address in dict.fromkeys(str(where[0]) for *_, where in found) if is_public(address)]
    if not public:
        raise _PrivateAddressError(host)
    del public[_MOST_ADDRESSES:]
    for address in public:
        # Connect to the checked address, because another lookup of the name could give another address.
        connection._dns_host = address
        try:
            return connect()
        except (urllib3_errors.NewConnectionError, urllib3_errors.ConnectTimeoutError):
            if address == public[-1]:
                raise
        finally:
            connection._dns_host = host
    raise AssertionError("there is a last address")


@contextmanager
def _explained(watchdog: Watchdog) -> Iterator[None]:
    """Raise an `UnavailableError` instead of the errors of requests, urllib3, sockets and invalid URLs."""
    try:
        yield
    except (OSError, ValueError, urllib3_errors.HTTPError) as error:  # Errors of requests are OSErrors.
        if watchdog.timed_out:
            raise UnavailableError(f"timed out: under {LEAST_BYTES_PER_S} bytes/s", transient=True) from error
        cause = _innermost(error)
        raise UnavailableError(_reason(cause), isinstance(cause, _TRANSIENT_ERRORS)) from error


def _innermost(error: BaseException) -> BaseException:
    """Return the error at the bottom of those that requests and urllib3 wrap into each other."""
    while True:
        candidates = (getattr(error, "reason", None), *error.args, error.__cause__)
        inner = next((one for one in candidates if isinstance(one, BaseException)), None)
        if inner is None:
            return error
        error = inner


def _reason(cause: BaseException) -> str:
    if isinstance(cause, _PrivateAddressError):
        return str(cause)
    if isinstance(cause, socket.gaierror):
        return "its host name cannot be resolved"
    if isinstance(cause, TimeoutError | urllib3_errors.TimeoutError):
        return "timed out"
    if isinstance(cause, IncompleteRead | urllib3_errors.IncompleteRead):
        return "the connection ended early"
    text = str(getattr(cause, "strerror", None) or cause)
    return f"{type(cause).__name__}: {_printable(text)}"[:_LONGEST_TEXT]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
