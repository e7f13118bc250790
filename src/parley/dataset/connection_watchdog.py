"""Shut down connections that are too slow."""

import math
import socket
import threading
import time
from contextlib import suppress
from typing import Self

LEAST_BYTES_PER_S = 5_000
"""A connection that is slower than this on average over the timeout is ended."""


class Watchdog:
    """Shuts down a connection that is too slow. A read timeout would allow a byte a minute."""

    def __init__(self, timeout_s: float) -> None:
        self.timed_out = False
        self._timeout_s = timeout_s
        self._until = math.inf
        self._received_bytes = 0
        self._socket: socket.socket | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def watch(self, connected: socket.socket) -> socket.socket:
        """Expect a response on a socket, including the TLS handshake, within twice the timeout; return the socket."""
        before, self._socket = self._socket, connected.dup()
        if before is not None:
            before.close()
        self._until = time.monotonic() + 2 * self._timeout_s
        return connected

    def expect_body(self) -> None:
        """Expect a body at the least speed from now on."""
        self._received_bytes = 0
        self._until = time.monotonic() + self._timeout_s

    def received(self, count: int) -> None:
        """Count received bytes of the body."""
        self._received_bytes += count
        if self._received_bytes >= LEAST_BYTES_PER_S * self._timeout_s:
            self.expect_body()

    def _run(self) -> None:
        while not self._over.wait(min(max(self._until - time.monotonic(), 0), self._timeout_s)):
            if time.monotonic() >= self._until and self._socket is not None:
                self.timed_out = True
                with suppress(OSError):  # The server has closed the connection.
                    self._socket.shutdown(socket.SHUT_RDWR)
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._socket is not None:
            self._socket.close()
