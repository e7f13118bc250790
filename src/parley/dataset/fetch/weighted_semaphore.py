"""WeightedSemaphore that threads share: so much memory for decoding, however many of them decode."""

import contextlib
import threading
from collections.abc import Iterator


class WeightedSemaphore:
    """An amount of which each thread takes what it needs, in the order in which they come.

    Parameters
    ----------
    size
        All there is. Who needs more than that waits until nobody has any, and then goes alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._turn = threading.Lock()  # Whoever waits keeps those behind waiting, or many small would starve one large.
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Wait for so much room, and have it for the block."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + amount <= self._size)
            self._used += amount
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()
