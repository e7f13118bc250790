"""One GET on the wire: a handle of libcurl, used again and again, and the names of what can go wrong on it."""

import logging
import os
import socket
import time
from typing import Any, NamedTuple

import certifi
import pycurl

from parley.dataset.fetch.addresses import is_public, names_private_host
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.fetch.responses import REDIRECTS, headers_of, opts_out, redirect_of, status_error, wait_asked_for
from parley.dataset.web import user_agent

logger = logging.getLogger(__name__)
_BUFFER_BYTES = 1 << 18
_DISCARDED_BYTES = 1 << 16  # An error page up to this size is read to its end, so that the connection can be kept.
_STOP = -1
_CURL_ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: ErrorClass.DNS,
    pycurl.E_COULDNT_CONNECT: ErrorClass.REFUSED,
    pycurl.E_COULDNT_RESOLVE_PROXY: ErrorClass.REFUSED,
    pycurl.E_SEND_ERROR: ErrorClass.RESET,
    pycurl.E_RECV_ERROR: ErrorClass.RESET,
    pycurl.E_GOT_NOTHING: ErrorClass.RESET,
    pycurl.E_PARTIAL_FILE: ErrorClass.INCOMPLETE,
    pycurl.E_FILESIZE_EXCEEDED: ErrorClass.TOO_LARGE,
    pycurl.E_URL_MALFORMAT: ErrorClass.BAD_URL,
    pycurl.E_SSL_CONNECT_ERROR: ErrorClass.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: ErrorClass.TLS,
    pycurl.E_SSL_CACERT: ErrorClass.TLS,
    pycurl.E_SSL_CIPHER: ErrorClass.TLS,
    pycurl.E_SSL_CERTPROBLEM: ErrorClass.TLS,
}


class Response(NamedTuple):
    """What one GET gave."""

    body: bytes | None
    error: ErrorClass | None
    status: int | None
    wait_s: float = 0.0
    """As the server asks; 0 where it does not."""
    redirect: str = ""
    """Where it sends us to, as an absolute address."""
    opted_out: bool = False
    from_private: bool = False


class Transfer:
    """One GET at a time.

    Parameters
    ----------
    options
        Time-outs and caps.
    """

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self.curl: Any = pycurl.Curl()
        for option, value in _settings(options).items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._write)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._header)
        if not options.allow_private_hosts:
            self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def begin(self, url: str, left_s: float, proxy: str) -> None:
        """Get ready for a GET; the caller adds `curl` to what it drives.

        Parameters
        ----------
        url
            An http or https URL in ASCII.
        left_s
            Time for all of it.
        proxy
            The proxy to go through; empty for none.
        """
        self._pieces: list[bytes] = []
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._is_wanted = False
        self._is_private = False
        # A proxy is this machine's own choice, and may well be at a private address.
        self._through_proxy = bool(proxy)
        self._url = url
        self.started = self._touched = time.monotonic()
        self._deadline = self.started + left_s
        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.PROXY, proxy)
        self.curl.setopt(pycurl.TIMEOUT_MS, max(int(1000 * left_s), 1))

    def is_silent(self, now: float) -> bool:
        """Say whether the server, once connected, has sent nothing for longer than it may."""
        if now - self._touched <= self._options.read_timeout_s:
            return False
        connected = self.curl.getinfo(pycurl.PRETRANSFER_TIME)
        return bool(connected) and now - max(self._touched, self.started + connected) > self._options.read_timeout_s

    def response(self, code: int | None) -> Response:
        """Return what a GET gave.

        What the status says holds whatever became of the body behind it.

        Parameters
        ----------
        code
            How libcurl ended it: 0 where it went well; None where it was ended for its silence.
        """
        status = self._status()
        headers = headers_of(self._lines)
        opted_out, private = opts_out(headers), self._came_from_private()
        if status in REDIRECTS and (target := redirect_of(headers, self._url)):
            return Response(None, None, status, redirect=target, from_private=private)
        if status is not None and (error := status_error(status)) is not None:
            return Response(None, error, status, wait_asked_for(headers), from_private=private)
        if code is None or code:
            error = ErrorClass.READ_TIMEOUT if code is None else self._error_of(code)
            return Response(None, error, status, from_private=private)
        if opted_out and self._options.obey_robots_tag:
            return Response(None, ErrorClass.OPTED_OUT, status, opted_out=True, from_private=private)
        return Response(b"".join(self._pieces), None, status, opted_out=opted_out, from_private=private)

    def _came_from_private(self) -> bool:
        if self._through_proxy:  # Which alone knows what it connected to.
            return names_private_host(self._url)
        address = self.curl.getinfo(pycurl.PRIMARY_IP)
        return bool(address) and not is_public(address)

    def _status(self) -> int | None:
        return self.curl.getinfo(pycurl.RESPONSE_CODE) or None

    def _error_of(self, code: int) -> ErrorClass:
        if self._is_private:
            return ErrorClass.PRIVATE_ADDRESS
        if code != pycurl.E_OPERATION_TIMEDOUT:
            if code not in _CURL_ERRORS:
                logger.debug("libcurl's error %d: %s", code, self.curl.errstr())
            return _CURL_ERRORS.get(code, ErrorClass.PROTOCOL)
        if time.monotonic() >= self._deadline:
            return ErrorClass.DEADLINE
        # Short of the deadline, libcurl gives up only while it connects; looking up the name is part of that.
        return ErrorClass.CONNECT_TIMEOUT if self.curl.getinfo(pycurl.NAMELOOKUP_TIME) else ErrorClass.DNS

    def _header(self, line: bytes) -> None:
        self._touched = time.monotonic()
        if line.startswith(b"HTTP/"):  # After an interim response comes the one that counts.
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
        """Open a socket to an address the host's name led to, or refuse to: this is what is connected to."""
        family, kind, protocol, where = address
        host = where[0] if isinstance(where, tuple) else ""
        if not self._through_proxy and not is_public(host if isinstance(host, str) else host.decode()):
            self._is_private = True
            return pycurl.SOCKET_BAD
        return socket.socket(family, kind, protocol)


def _settings(options: FetchOptions) -> dict[int, Any]:
    """Return libcurl's options that are the same for every URL."""
    web_only = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    return {
        pycurl.NOSIGNAL: 1,
        pycurl.PROTOCOLS: web_only,
        # Who needs no proxy is decided before; libcurl reads the environment in another way.
        pycurl.NOPROXY: "",
        pycurl.FOLLOWLOCATION: 0,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.USERAGENT: user_agent(options.contact),
        # Images are compressed already; another layer would only hide their true size.
        pycurl.HTTPHEADER: ["Accept-Encoding: identity"],
        pycurl.CAINFO: os.environ.get("SSL_CERT_FILE") or certifi.where(),
        pycurl.BUFFERSIZE: _BUFFER_BYTES,
        pycurl.CONNECTTIMEOUT_MS: max(int(1000 * options.connect_timeout_s), 1),
        pycurl.MAXFILESIZE_LARGE: options.max_bytes,
    }
