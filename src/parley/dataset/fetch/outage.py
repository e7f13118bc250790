"""Whether this machine is offline: then every candidate would fail, and the reserves be used up for nothing."""

from collections import Counter
from urllib.parse import urlsplit

from parley.core.errors import ParleyError
from parley.dataset.fetch.outcomes import ErrorClass

UNREACHABLE_IN_A_ROW = 200
UNREACHABLE = frozenset({ErrorClass.DNS, ErrorClass.CONNECT_TIMEOUT, ErrorClass.REFUSED})
"""What a URL's answer is when its host cannot be reached."""
_NOT_ASKED = frozenset({ErrorClass.BAD_URL, ErrorClass.PRIVATE_ADDRESS})
# One host that is gone may have hundreds of URLs next to each other, and says little about the network.
_PART_OF_ONE_HOST = 0.1


class OutageWatch:
    """Counts the URLs in a row that could not be reached.

    URLs that an earlier run could not reach either do not count: a rerun asks for little else. Of one
    host, once anything was reached, a tenth of the most counts at most.

    Parameters
    ----------
    most
        URLs in a row that stop the work.
    """

    def __init__(self, most: int = UNREACHABLE_IN_A_ROW) -> None:
        self._most = most
        self._most_of_one_host = max(int(most * _PART_OF_ONE_HOST), 1)
        self._in_a_row = 0
        self._of_host: Counter[str] = Counter()
        self._reached_any = False

    def note(self, url: str, error: ErrorClass | None, known: bool = False) -> None:
        """Note what came of a URL.

        Parameters
        ----------
        url
            The URL.
        error
            Why it gave nothing; None where it gave something.
        known
            Whether an earlier run could not reach it either.

        Raises
        ------
        ParleyError
            When too many in a row could not be reached.
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
                f"{self._in_a_row} URLs in a row could not be reached ({error}; the last is {url}). Look to the "
                "network and run again: what is fetched already is kept. Should all these hosts be gone for good, run "
                "again as well: URLs that could not be reached before do not count again."
            )
