import pytest

from parley.core.errors import ParleyError
from parley.dataset.fetch.hosts import OutageWatch
from parley.dataset.fetch.outcomes import ErrorClass


def url(number, host="h{}.example"):
    return f"http://{host.format(number)}/{number}.jpg"


def test_unreachable_hosts_in_a_row_stop_the_fetch():
    watch = OutageWatch(3)
    watch.note(url(1), ErrorClass.DNS)
    watch.note(url(2), ErrorClass.REFUSED)
    with pytest.raises(ParleyError, match=r"3 URLs in a row.*h3\.example.*Check the network"):
        watch.note(url(3), ErrorClass.CONNECT_TIMEOUT)


@pytest.mark.parametrize("error", [None, ErrorClass.NOT_FOUND, ErrorClass.READ_TIMEOUT, ErrorClass.BAD_REDIRECT])
def test_any_response_resets_the_count(error):
    watch = OutageWatch(2)
    for number in range(10):
        watch.note(url(number), ErrorClass.DNS)
        watch.note("http://there.example/a.jpg", error)


def test_urls_that_were_not_requested_do_not_count():
    watch = OutageWatch(2)
    watch.note(url(1), ErrorClass.DNS)
    watch.note(url(2), ErrorClass.BAD_URL)
    watch.note(url(3), ErrorClass.PRIVATE_ADDRESS)
    with pytest.raises(ParleyError):
        watch.note(url(4), ErrorClass.DNS)


def test_urls_known_to_be_unreachable_do_not_count():
    """Otherwise a rerun, which requests only the transient failures again, could never finish."""
    watch = OutageWatch(3)
    for number in range(100):
        watch.note(url(number), ErrorClass.DNS, known=True)


def test_one_dead_host_is_not_an_outage():
    watch = OutageWatch(10)
    watch.note("http://there.example/a.jpg", None)
    for number in range(100):
        watch.note(url(number, "gone.example"), ErrorClass.DNS)


def test_one_dead_host_is_an_outage_if_nothing_was_reached():
    watch = OutageWatch(10)
    for number in range(9):
        watch.note(url(number, "farm.example"), ErrorClass.DNS)
    with pytest.raises(ParleyError):
        watch.note(url(9, "farm.example"), ErrorClass.DNS)
