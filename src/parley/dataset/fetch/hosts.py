"""Queues of requests, one per host, and detection of network outages."""

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
# `OutageWatch` counts at most this fraction of its limit for one host. A host that no longer exists may have hundreds
# of consecutive URLs, which say little about the network.
_SHARE_OF_ONE_HOST = 0.1


@dataclass
class _Host(Generic[Item]):
    """State of one host: its queue, the number of its items in use, and the time when its pause ends."""

    waiting: deque[Item] = field(default_factory=deque)
    active: int = 0
    paused_until: float = 0.0
    is_listed: bool = False


class HostQueues(Generic[Item]):
    """Queues of items, such as requests, one per host. Items are taken from the hosts in turn.

    At most `per_host` items of a host can be in use, that is, taken and not yet released. The caller passes all times,
    in seconds of one monotonic clock.
    """

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._hosts: dict[str, _Host[Item]] = {}
        # Hosts with a waiting item and fewer than `per_host` items in use, each at most once.
        self._ready: deque[str] = deque()
        # Heap of (time, tie-breaker, host, item): delayed items, and ends of pauses, where the item is None.
        self._later: list[tuple[float, int, str, Item | None]] = []
        self._order = itertools.count()

    def add(self, host: str, item: Item, first: bool = False) -> None:
        """Append an item to its host's queue, or insert it at the head if `first` is True."""
        entry = self._hosts.setdefault(host, _Host())
        if first:
            entry.waiting.appendleft(item)
        else:
            entry.waiting.append(item)
        self._list(host, entry)

    def add_later(self, host: str, item: Item, when: float) -> None:
        """Insert an item at the head of its host's queue at the time `when`."""
        heapq.heappush(self._later, (when, next(self._order), host, item))

    def pause(self, host: str, until: float) -> None:
        """Prevent items of a host from being taken before the time `until`."""
        entry = self._hosts.setdefault(host, _Host())
        if until > entry.paused_until:
            entry.paused_until = until
            heapq.heappush(self._later, (until, next(self._order), host, None))

    def take(self, now: float) -> tuple[str, Item] | None:
        """Take an item that may be used now and return it with its host; return None if there is none."""
        self._wake(now)
        while self._ready:
            host = self._ready.popleft()
            entry = self._hosts[host]
            entry.is_listed = False
            if entry.paused_until > now:  # The host is listed again when the pause ends.
                continue
            item = entry.waiting.popleft()
            entry.active += 1
            self._list(host, entry)
            return host, item
        return None

    def release(self, host: str) -> None:
        """Record that one of the items taken from a host is finished, so that the host's next item can be taken."""
        entry = self._hosts[host]
        entry.active -= 1
        self._list(host, entry)
        self._forget(host, entry)

    def next_time(self) -> float | None:
        """Return the time when the next delayed item is due or the next pause ends; None if there is neither."""
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
    """Counts consecutive URLs that could not be reached, and raises an error after `most` of them.

    URLs that an earlier run could not reach are not counted, because a rerun requests mostly such URLs. Once any URL
    has been reached, at most `most` / 10 URLs per host are counted, so that one dead host is not taken for an outage.
    """

    def __init__(self, most: int = UNREACHABLE_IN_A_ROW) -> None:
        self._most = most
        self._most_of_one_host = max(int(most * _SHARE_OF_ONE_HOST), 1)
        self._in_a_row = 0
        self._of_host: Counter[str] = Counter()
        self._reached_any = False

    def note(self, url: str, error: ErrorClass | None, known: bool = False) -> None:
        """Record the outcome of a URL; set `known` if an earlier run could not reach it either.

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
                "network and run again: fetched images are kept. If these hosts no longer exist, run again: URLs that "
                "were unreachable in an earlier run do not count towards this limit."
            )
