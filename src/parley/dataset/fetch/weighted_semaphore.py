"""A weighted semaphore: limits the memory that all decoding threads use together."""

import contextlib
import threading
from collections.abc import Iterator


class WeightedSemaphore:
    """A total that threads take amounts from, first come, first served.

    Parameters
    ----------
    size
        The total. A larger request waits until nothing is taken, then runs alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._turn = threading.Lock()  # Held while waiting, so that small requests cannot starve a large one.
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Wait for the amount, and hold it during the block."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + amount <= self._size)
            self._used += amount
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()
