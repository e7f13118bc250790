"""A deadline for a whole request, held while the connection waits for each piece of the response.

A read time-out bounds the silence between two pieces only: a server that sends a byte now and then
holds a worker for ever. Here every wait for bytes, of headers and body alike, is cut to what is
left of the request's time. The worker's thread carries the deadline, as it works on one request.
"""

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

_thread = threading.local()


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Hold what this thread reads to a deadline, a time of `time.monotonic`."""
    _thread.deadline = deadline
    try:
        yield
    finally:
        _thread.deadline = None


class _TimedReader(io.RawIOBase):
    """Bytes of a socket, each wait cut to what is left until the deadline."""

    def __init__(self, connected: socket.socket, raw: io.RawIOBase) -> None:
        self._socket, self._raw = connected, raw
        self._silence_s = connected.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        deadline = getattr(_thread, "deadline", None)
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the request's deadline has passed")
            self._socket.settimeout(left if self._silence_s is None else min(left, self._silence_s))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """A response that reads its socket through a `_TimedReader`."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        buffered: Any = self.fp
        self.fp = io.BufferedReader(_TimedReader(sock, buffered.detach()))


class _TimedHttpConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedHttpsConnection(HTTPSConnection):
    response_class = _TimedResponse


class _TimedHttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _TimedHttpConnection


class _TimedHttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TimedHttpsConnection


POOL_CLASSES = {"http": _TimedHttpPool, "https": _TimedHttpsPool}
"""What `parley.web.Web` takes to hold its requests to a deadline."""
