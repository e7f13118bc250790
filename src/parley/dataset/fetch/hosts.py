"""Hosts: a queue of requests per host, and detection that no host can be reached."""

import heapq
import itertools
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from parley.core.errors import ParleyError
from parley.dataset.fetch.outcomes import UNREACHABLE, ErrorClass

Item = TypeVar("Item")
UNREACHABLE_IN_A_ROW = 200
_NOT_REQUESTED = frozenset({ErrorClass.BAD_URL, ErrorClass.PRIVATE_ADDRESS})
# A dead host may have hundreds of consecutive URLs and says little about the network.
_SHARE_OF_ONE_HOST = 0.1


@dataclass
class _Host(Generic[Item]):
    waiting: deque[Item] = field(default_factory=deque)
    active: int = 0
    paused_until: float = 0.0
    is_listed: bool = False


class HostQueues(Generic[Item]):
    """One queue of items per host, served round-robin.

    At most `per_host` items of one host are taken and not yet released. The caller passes all times, in seconds of
    one monotonic clock.
    """

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._hosts: dict[str, _Host[Item]] = {}
        # Each host at most once: it had a waiting item, a free slot and no pause when it was listed.
        self._ready: deque[str] = deque()
        self._later: list[tuple[float, int, str, Item | None]] = []
        self._order = itertools.count()

    def add(self, host: str, item: Item, first: bool = False) -> None:
        """Append an item to its host's queue; with `first`, put it at the head."""
        entry = self._hosts.setdefault(host, _Host())
        if first:
            entry.waiting.appendleft(item)
        else:
            entry.waiting.append(item)
        self._list(host, entry)

    def add_later(self, host: str, item: Item, when: float) -> None:
        """Put an item at the head of its host's queue at a later time."""
        heapq.heappush(self._later, (when, next(self._order), host, item))

    def pause(self, host: str, until: float) -> None:
        """Hold back a host's items until a time."""
        entry = self._hosts.setdefault(host, _Host())
        if until > entry.paused_until:
            entry.paused_until = until
            heapq.heappush(self._later, (until, next(self._order), host, None))

    def take(self, now: float) -> tuple[str, Item] | None:
        """Take the next item that may run now, with its host; None if there is none."""
        self._wake(now)
        while self._ready:
            host = self._ready.popleft()
            entry = self._hosts[host]
            entry.is_listed = False
            if entry.paused_until > now:  # The end of the pause lists it again.
                continue
            item = entry.waiting.popleft()
            entry.active += 1
            self._list(host, entry)
            return host, item
        return None

    def release(self, host: str) -> None:
        """Free the slot of an item that was taken."""
        entry = self._hosts[host]
        entry.active -= 1
        self._list(host, entry)
        self._forget(host, entry)

    def next_time(self) -> float | None:
        """Return the time of the next delayed item or end of a pause; None if there is none."""
        return self._later[0][0] if self._later else None

    def _list(self, host: str, entry: _Host[Item]) -> None:
        if entry.waiting and entry.active < self._per_host and not entry.is_listed:
            entry.is_listed = True
            self._ready.append(host)

    def _forget(self, host: str, entry: _Host[Item]) -> None:
        if not entry.active and not entry.waiting and not entry.paused_until:
            del self._hosts[host]

    def _wake(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, host, item = heapq.heappop(self._later)
            if item is not None:
                self.add(host, item, first=True)
                continue
            entry = self._hosts.get(host)
            if entry is not None and entry.paused_until <= now:
                entry.paused_until = 0.0
                self._list(host, entry)
                self._forget(host, entry)


class OutageWatch:
    """Counts consecutive URLs that could not be reached; `most` of them stop the fetch.

    URLs that an earlier run could not reach do not count, because a rerun requests little else. Once any URL has
    been reached, one host contributes at most a tenth of the limit.
    """

    def __init__(self, most: int = UNREACHABLE_IN_A_ROW) -> None:
        self._most = most
        self._most_of_one_host = max(int(most * _SHARE_OF_ONE_HOST), 1)
        self._in_a_row = 0
        self._of_host: Counter[str] = Counter()
        self._reached_any = False

    def note(self, url: str, error: ErrorClass | None, known: bool = False) -> None:
        """Record the outcome of a URL; `known` says that an earlier run could not reach it either.

        Raises
        ------
        ParleyError
            If too many URLs in a row could not be reached.
        """
        if error in _NOT_REQUESTED:
            return
        if error not in UNREACHABLE:
            self._reached_any, self._in_a_row = True, 0
            self._of_host.clear()
            return
        if known:
            return
        host = urlsplit(url).hostname or ""
        self._of_host[host] += 1
        if self._reached_any and self._of_host[host] > self._most_of_one_host:
            return
        self._in_a_row += 1
        if self._in_a_row >= self._most:
            raise ParleyError(
                f"{self._in_a_row} URLs in a row could not be reached ({error}; the last is {url}). Check the "
                "network and run again: what has been fetched is kept. If all these hosts are gone for good, also run "
                "again: URLs that were unreachable in an earlier run are not counted."
            )
