from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from parley.fetch.responses import headers_of, opts_out, wait_asked_for


def test_headers_of_one_name_are_kept_in_order_whatever_their_case():
    lines = [b"HTTP/1.1 200 OK\r\n", b"X-Robots-Tag: a\r\n", b"x-robots-tag:b: c \r\n", b"\r\n"]
    assert headers_of(lines) == {"x-robots-tag": ["a", "b: c"]}


@pytest.mark.parametrize(("value", "seconds"), [("120", 120), ("0", 0), ("", 0), ("soon", 0), ("-5", 0), ("\u00b2", 0)])
def test_a_wait_in_seconds(value, seconds):
    assert wait_asked_for({"retry-after": [value]}) == seconds
    assert wait_asked_for({}) == 0


def test_a_wait_until_a_date():
    date = datetime.now(UTC) + timedelta(seconds=100)
    assert 90 < wait_asked_for({"retry-after": [format_datetime(date, usegmt=True)]}) <= 100
    assert wait_asked_for({"retry-after": ["Thu, 01 Jan 1970 00:00:00 GMT"]}) == 0


@pytest.mark.parametrize(
    ("values", "out"),
    [
        (["noai"], True),
        (["noindex, noimageai"], True),
        (["all", "NOAI"], True),
        (["otherbot: noai"], False),
        (["otherbot: noindex, noai"], False),
        (["otherbot: noindex, parley: noai"], True),
        (["otherbot: noindex, *: noai"], True),
        (["noindex", "otherbot: noai"], False),
        (["noaim"], False),
        ([], False),
    ],
)
def test_opting_out(values, out):
    assert opts_out({"x-robots-tag": values}) is out
