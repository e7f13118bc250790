"""Run one HTTP GET on a reusable libcurl handle: check the addresses contacted, and classify the response."""

import email.utils
import logging
import re
import socket
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin

import pycurl

from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.web_rules import certificates, is_public, names_private_host, user_agent

logger = logging.getLogger(__name__)
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
_OUR_ROBOT_NAMES = frozenset({"parley", "*"})
# Directives of X-Robots-Tag with a value after a colon. Any other name before a colon is the name of a robot.
_WITH_VALUES = frozenset({"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"})
_ROBOT_NAME = re.compile(r"[a-z*_][a-z0-9*_./-]*")
_BUFFER_BYTES = 1 << 18
_DISCARDED_BYTES = 1 << 16  # Error pages up to this size are read to the end, so that the connection can be reused.
_STOP = -1
_CURL_ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: ErrorClass.DNS,
    pycurl.E_COULDNT_CONNECT: ErrorClass.REFUSED,
    pycurl.E_COULDNT_RESOLVE_PROXY: ErrorClass.REFUSED,
    pycurl.E_SEND_ERROR: ErrorClass.RESET,
    pycurl.E_RECV_ERROR: ErrorClass.RESET,
    pycurl.E_GOT_NOTHING: ErrorClass.RESET,
    pycurl.E_ABORTED_BY_CALLBACK: ErrorClass.RESET,
    pycurl.E_PARTIAL_FILE: ErrorClass.INCOMPLETE,
    pycurl.E_FILESIZE_EXCEEDED: ErrorClass.TOO_LARGE,
    pycurl.E_URL_MALFORMAT: ErrorClass.BAD_URL,
    pycurl.E_SSL_CONNECT_ERROR: ErrorClass.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: ErrorClass.TLS,
    pycurl.E_SSL_CACERT: ErrorClass.TLS,
    pycurl.E_SSL_CIPHER: ErrorClass.TLS,
    pycurl.E_SSL_CERTPROBLEM: ErrorClass.TLS,
}


def status_error(status: int) -> ErrorClass | None:
    """Return the error class of an HTTP status; None for 200."""
    if status in _STATUS_ERRORS:
        return _STATUS_ERRORS[status]
    return ErrorClass.SERVER_ERROR if status >= 500 else ErrorClass.HTTP_ERROR


def parse_headers(lines: Iterable[bytes]) -> dict[str, list[str]]:
    """Parse the header lines of a response; return the values of each header, in order, by lower-case name."""
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return headers


def retry_after_s(headers: Mapping[str, list[str]]) -> float:
    """Return how many seconds a valid `Retry-After` header (a number or a date) asks to wait, otherwise 0."""
    value = headers.get("retry-after", [""])[-1]
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max((date - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, OverflowError):  # The header is missing or invalid.
        return 0.0


def opts_out(headers: Mapping[str, list[str]]) -> bool:
    """Return True if `X-Robots-Tag` forbids using the image to train models.

    A header is a comma-separated list of directives. A robot's name before a directive restricts this directive
    and the following ones to that robot, as in ``otherbot: noai, noindex``. Some directives have values that may
    themselves contain a colon or a comma.
    """
    for value in headers.get("x-robots-tag", ()):
        is_meant = True
        for directive in re.split("[,;]", value.lower()):
            name, colon, rest = (part.strip() for part in directive.partition(":"))
            if colon and name not in _WITH_VALUES and _ROBOT_NAME.fullmatch(name):
                is_meant, name = name in _OUR_ROBOT_NAMES, rest
            if is_meant and name in _OPT_OUTS:
                return True
    return False


def redirect_target(headers: Mapping[str, list[str]], url: str) -> str:
    """Return the redirect target in the `Location` header as an absolute URL; empty if the header is missing.

    Bytes that are not allowed in a URL are percent-encoded.
    """
    location = headers.get("location", [""])[-1]
    if not location:
        return ""
    try:
        return urljoin(url, quote(location.encode("latin-1"), safe=_IN_A_URL))
    except ValueError:  # The location has brackets that do not contain an IPv6 address.
        return location


class Response(NamedTuple):
    """Outcome of one GET request."""

    body: bytes | None
    error: ErrorClass | None
    status: int | None
    wait_s: float = 0.0  # wait before the host's next request, from Retry-After
    redirect: str = ""  # absolute URL of the redirect target; empty if the response is no redirect
    opted_out: bool = False
    from_private: bool = False


class Transfer:
    """Runs GET requests, one at a time, on one libcurl handle."""

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self.curl: Any = pycurl.Curl()
        for option, value in _settings(options).items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._write)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._header)
        self.curl.setopt(pycurl.PREREQFUNCTION, self._before_request)
        if not options.allow_private_hosts:
            self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def begin(self, url: str, left_s: float, proxy: str, fresh: bool = False) -> None:
        """Prepare a GET of an ASCII URL, of at most `left_s` seconds; the caller adds `curl` to its multi handle.

        Set `fresh` to open a connection, because idle ones may have died.
        """
        self._pieces: list[bytes] = []
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._is_wanted = False
        self._is_private = False
        self._is_sent = False
        # The user chose the proxy, so it may have a private address.
        self._through_proxy = bool(proxy)
        self._url = url
        self.started = self._touched = time.monotonic()
        self._deadline = self.started + left_s
        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.PROXY, proxy)
        self.curl.setopt(pycurl.FRESH_CONNECT, fresh)
        self.curl.setopt(pycurl.TIMEOUT_MS, max(int(1000 * left_s), 1))

    def is_stalled(self, now: float) -> bool:
        """Return True if the connection is open, but the server has sent nothing for longer than `read_timeout_s`."""
        if now - self._touched <= self._options.read_timeout_s:
            return False
        connected = self.curl.getinfo(pycurl.PRETRANSFER_TIME)
        return bool(connected) and now - max(self._touched, self.started + connected) > self._options.read_timeout_s

    def response(self, code: int | None) -> Response:
        """Return the outcome of the GET request.

        An error status takes precedence over a failure while reading the body.

        Parameters
        ----------
        code
            libcurl's result code: 0 for success; None if the request was aborted because it stalled.
        """
        status = self.curl.getinfo(pycurl.RESPONSE_CODE) or None
        headers = parse_headers(self._lines)
        opted_out, private = opts_out(headers), self._came_from_private()
        if status in REDIRECTS and (target := redirect_target(headers, self._url)):
            return Response(None, None, status, redirect=target, from_private=private)
        if status is not None and (error := status_error(status)) is not None:
            return Response(None, error, status, retry_after_s(headers), from_private=private)
        if code is None or code:
            error = ErrorClass.READ_TIMEOUT if code is None else self._error_of(code)
            return Response(None, error, status, from_private=private)
        if opted_out and self._options.obey_robots_tag:
            return Response(None, ErrorClass.OPTED_OUT, status, opted_out=True, from_private=private)
        return Response(b"".join(self._pieces), None, status, opted_out=opted_out, from_private=private)

    def _came_from_private(self) -> bool:
        if self._through_proxy:  # Only the proxy knows the address it connected to.
            return names_private_host(self._url)
        address = self.curl.getinfo(pycurl.PRIMARY_IP)
        return bool(address) and not is_public(address)

    def _error_of(self, code: int) -> ErrorClass:
        if self._is_private:
            return ErrorClass.PRIVATE_ADDRESS
        if code != pycurl.E_OPERATION_TIMEDOUT:
            if code not in _CURL_ERRORS:
                logger.debug("libcurl's error %d: %s", code, self.curl.errstr())
            return _CURL_ERRORS.get(code, ErrorClass.PROTOCOL)
        if time.monotonic() >= self._deadline:
            return ErrorClass.DEADLINE
        # Before the deadline, libcurl times out only while connecting, which includes the DNS lookup.
        return ErrorClass.CONNECT_TIMEOUT if self.curl.getinfo(pycurl.NAMELOOKUP_TIME) else ErrorClass.DNS

    def _before_request(self, *_: object) -> int:
        """Allow one request. If a reused connection dies, libcurl would repeat it, up to five times, uncounted."""
        verdict: int = pycurl.PREREQFUNC_ABORT if self._is_sent else pycurl.PREREQFUNC_OK
        self._is_sent = True
        return verdict

    def _header(self, line: bytes) -> None:
        self._touched = time.monotonic()
        if line.startswith(b"HTTP/"):  # A response begins; an interim one (1xx) may precede the final one.
            self._lines.clear()
            self._is_wanted = line.split(None, 2)[1:2] == [b"200"]
        self._lines.append(line)

    def _write(self, piece: bytes) -> int | None:
        self._touched = time.monotonic()
        self._size_bytes += len(piece)
        if self._is_wanted:
            self._pieces.append(piece)
        elif self._size_bytes > _DISCARDED_BYTES:
            return _STOP
        return None

    def _open_socket(self, purpose: int, address: Any) -> Any:
        """Create a socket for a resolved address, to which libcurl then connects; refuse it if it is not public."""
        family, kind, protocol, where = address
        host = where[0] if isinstance(where, tuple) else ""
        if not self._through_proxy and not is_public(host if isinstance(host, str) else host.decode()):
            self._is_private = True
            return pycurl.SOCKET_BAD
        return socket.socket(family, kind, protocol)


def _settings(options: FetchOptions) -> dict[int, Any]:
    """Return the values of the libcurl options that are the same for every URL."""
    web_only = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    return {
        pycurl.NOSIGNAL: 1,
        pycurl.PROTOCOLS: web_only,
        # `proxy_for` has already chosen the proxy, if any; libcurl would interpret `no_proxy` differently.
        pycurl.NOPROXY: "",
        pycurl.FOLLOWLOCATION: 0,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.USERAGENT: user_agent(options.contact),
        # Images are already compressed. An additional compression would hide their size from the limit `max_bytes`.
        pycurl.HTTPHEADER: ["Accept-Encoding: identity"],
        pycurl.CAINFO: certificates(),
        pycurl.BUFFERSIZE: _BUFFER_BYTES,
        pycurl.CONNECTTIMEOUT_MS: max(int(1000 * options.connect_timeout_s), 1),
        pycurl.MAXFILESIZE_LARGE: options.max_bytes,
    }
