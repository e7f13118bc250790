from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from parley.dataset.fetch.transfer import opts_out, parse_headers, retry_after_s


def test_headers_of_one_name_are_kept_in_order_whatever_their_case():
    lines = [b"HTTP/1.1 200 OK\r\n", b"X-Robots-Tag: a\r\n", b"x-robots-tag:b: c \r\n", b"\r\n"]
    assert parse_headers(lines) == {"x-robots-tag": ["a", "b: c"]}


@pytest.mark.parametrize(("value", "seconds"), [("120", 120), ("0", 0), ("", 0), ("soon", 0), ("-5", 0), ("\u00b2", 0)])
def test_a_wait_in_seconds(value, seconds):
    assert retry_after_s({"retry-after": [value]}) == seconds
    assert retry_after_s({}) == 0


def test_a_wait_until_a_date():
    date = datetime.now(UTC) + timedelta(seconds=100)
    assert 90 < retry_after_s({"retry-after": [format_datetime(date, usegmt=True)]}) <= 100
    assert retry_after_s({"retry-after": ["Thu, 01 Jan 1970 00:00:00 GMT"]}) == 0


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 2030 00:00:00 +99999999999999",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2030 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 2030 00:00:00 -9999",
    ],
)
def test_invalid_dates_are_ignored(value):
    assert retry_after_s({"retry-after": [value]}) >= 0


def test_a_wait_longer_than_any_number_is_long():
    assert retry_after_s({"retry-after": ["9" * 5000]}) > 1e9


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
        # A directive may also be followed by a colon, or contain one in its value.
        (["max-image-preview:large, noai"], True),
        (["max-snippet:-1, max-video-preview: 0, noimageai"], True),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noimageai"], True),
        (["unavailable_after: Wednesday, 25-Jun-30 15:00:00 GMT, noai"], True),
        (["otherbot: max-snippet:-1, noai"], False),
        (["otherbot: unavailable_after: Wednesday, 25-Jun-30 15:00:00 GMT, noai"], False),
        (["parley: max-snippet:-1, noai"], True),
        (["noindex; noai"], True),
        ([], False),
    ],
)
def test_opting_out(values, out):
    assert opts_out({"x-robots-tag": values}) is out
