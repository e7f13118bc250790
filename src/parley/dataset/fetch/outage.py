"""Detect that this machine is offline, before every candidate fails and the candidate queues run empty."""

from collections import Counter
from urllib.parse import urlsplit

from parley.core.errors import ParleyError
from parley.dataset.fetch.outcomes import ErrorClass

UNREACHABLE_IN_A_ROW = 200
UNREACHABLE = frozenset({ErrorClass.DNS, ErrorClass.CONNECT_TIMEOUT, ErrorClass.REFUSED})
"""Errors that mean that a URL's host cannot be reached."""
_NOT_ASKED = frozenset({ErrorClass.BAD_URL, ErrorClass.PRIVATE_ADDRESS})
# A dead host may have hundreds of consecutive URLs and says little about the network.
_PART_OF_ONE_HOST = 0.1


class OutageWatch:
    """Counts consecutive URLs that could not be reached.

    URLs that an earlier run could not reach do not count, because a rerun requests little else. Once any URL has
    been reached, one host contributes at most a tenth of the limit.

    Parameters
    ----------
    most
        Number of consecutive unreachable URLs that stops the fetch.
    """

    def __init__(self, most: int = UNREACHABLE_IN_A_ROW) -> None:
        self._most = most
        self._most_of_one_host = max(int(most * _PART_OF_ONE_HOST), 1)
        self._in_a_row = 0
        self._of_host: Counter[str] = Counter()
        self._reached_any = False

    def note(self, url: str, error: ErrorClass | None, known: bool = False) -> None:
        """Record the outcome of a URL.

        Parameters
        ----------
        url
            The URL.
        error
            Why it failed; None if it succeeded.
        known
            True if an earlier run could not reach it either.

        Raises
        ------
        ParleyError
            If too many URLs in a row could not be reached.
        """
        if error in _NOT_ASKED:
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
