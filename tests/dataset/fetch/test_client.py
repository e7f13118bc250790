"""The client against a real server: error classes and numbers of requests."""

import socket
import time
from dataclasses import replace

import pytest
from fetch_jobs import get
from image_server import LONGEST_S

from parley.dataset.fetch import transfer as transfer_module
from parley.dataset.fetch.client import Client, host_of
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.web_rules import is_public

QUICK = FetchOptions(
    threads=4,
    attempts=3,
    connect_timeout_s=1.0,
    read_timeout_s=5.0,
    deadline_s=10.0,
    backoff_s=0.01,
    max_bytes=200_000,
    allow_private_hosts=True,
    contact="mailto:someone@example.org",
)
IMPATIENT = replace(QUICK, read_timeout_s=1.0, deadline_s=2.0)


def test_an_image_is_fetched_with_one_request(web):
    answer = get(Client(QUICK), web.url("image/a.jpg"))
    assert answer.error is None
    assert answer.http_status == 200
    assert answer.body is not None
    assert answer.body.startswith(b"\xff\xd8")
    assert answer.body.endswith(b"\xff\xd9")
    assert answer.attempts == 1
    assert web.requests() == ["image/a.jpg"]


def test_the_user_agent_names_parley_and_the_contact(web):
    get(Client(QUICK), web.url("image/a.jpg"))
    (agent,) = web.user_agents()
    assert agent.startswith("parley/")
    assert "mailto:someone@example.org" in agent


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [
        (404, ErrorClass.NOT_FOUND, 1),
        (410, ErrorClass.GONE, 1),
        (403, ErrorClass.FORBIDDEN, 1),
        (418, ErrorClass.HTTP_ERROR, 1),
        (302, ErrorClass.HTTP_ERROR, 1),
        (429, ErrorClass.RATE_LIMITED, 3),
        (500, ErrorClass.SERVER_ERROR, 3),
        (503, ErrorClass.SERVER_ERROR, 3),
    ],
)
def test_only_transient_errors_are_retried(web, status, error, requests):
    answer = get(Client(QUICK), web.url(f"status/{status}/a.jpg"))
    assert (answer.error, answer.http_status, answer.attempts) == (error, status, requests)
    assert answer.body is None
    assert web.count(f"status/{status}/a.jpg") == requests


def test_a_transient_failure_is_retried_until_it_succeeds(web):
    answer = get(Client(QUICK), web.url("flaky/2/503/a.jpg"))
    assert answer.error is None
    assert answer.attempts == web.count("flaky/2/503/a.jpg") == 3


def test_retry_after_is_obeyed(web):
    started = time.monotonic()
    answer = get(Client(QUICK), web.url("limited/1/a.jpg"))
    assert answer.error is None
    assert time.monotonic() - started >= 1.0
    assert web.count("limited/1/a.jpg") == 2


def test_a_long_retry_after_is_left_for_a_later_run(web):
    answer = get(Client(QUICK), web.url("limited/3600/a.jpg"))
    assert (answer.error, answer.attempts) == (ErrorClass.RATE_LIMITED, 1)


def test_retry_after_may_be_a_date(web):
    far = "limited/Fri,%2001%20Jan%202999%2000:00:00%20GMT/a.jpg"
    assert get(Client(QUICK), web.url(far)).error is ErrorClass.RATE_LIMITED
    past = "limited/Thu,%2001%20Jan%201970%2000:00:00%20GMT/a.jpg"
    assert get(Client(QUICK), web.url(past)).error is None


@pytest.mark.parametrize(
    ("path", "error", "attempts"),
    [
        ("silent/a.jpg", ErrorClass.READ_TIMEOUT, 1),
        ("drip/a.jpg", ErrorClass.DEADLINE, 1),
        ("dripheaders/a.jpg", ErrorClass.DEADLINE, 1),
        # No header line arrives in that time.
        ("dripline/a.jpg", ErrorClass.READ_TIMEOUT, 1),
    ],
)
def test_a_slow_server_times_out(web, path, error, attempts):
    started = time.monotonic()
    answer = get(Client(replace(IMPATIENT, attempts=attempts)), web.url(path))
    assert answer.error is error
    assert time.monotonic() - started < LONGEST_S, "the server would have gone on for longer"


def test_an_exceeded_deadline_is_not_retried(web):
    get(Client(IMPATIENT), web.url("drip/b.jpg"))
    assert web.count("drip/b.jpg") == 1


def test_a_reset_connection_is_retried(web):
    assert get(Client(QUICK), web.url("reset/1/a.jpg")).error is None
    assert web.count("reset/1/a.jpg") == 2
    lasting = get(Client(QUICK), web.url("reset/9/a.jpg"))
    assert lasting.error in (ErrorClass.RESET, ErrorClass.INCOMPLETE)
    assert lasting.attempts == 3


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_url_is_requested_at_most_attempts_times_on_reused_connections(web, attempts):
    client = Client(replace(QUICK, attempts=attempts, deadline_s=5.0, read_timeout_s=5.0))
    answers_of(client, [web.url(f"crowd/{number}.jpg") for number in range(4)])
    answer = get(client, web.url("hangup/a.jpg"))
    assert (answer.error, answer.attempts) == (ErrorClass.RESET, attempts)
    assert web.count("hangup/a.jpg") == attempts


def test_a_second_attempt_uses_no_other_connection_that_may_have_died(web):
    client = Client(replace(QUICK, attempts=2, deadline_s=5.0, read_timeout_s=5.0))
    answers_of(client, [web.url(f"once/{number}.jpg") for number in range(4)])
    answer = get(client, web.url("once/a.jpg"))
    assert (answer.error, answer.attempts, web.count("once/a.jpg")) == (None, 2, 2)


def test_closed_connections_are_retried(web):
    client = Client(replace(QUICK, attempts=2))
    for number in range(5):
        assert get(client, web.url(f"leaves/{number}.jpg")).error is None
    assert max(map(web.count, web.requests())) <= 2


def test_fewer_bytes_than_announced_are_incomplete(web):
    assert get(Client(QUICK), web.url("short/a.jpg")).error is ErrorClass.INCOMPLETE


def test_an_endless_body_is_cut_at_max_bytes(web):
    answer = get(Client(replace(QUICK, deadline_s=5.0)), web.url("endless/a.jpg"))
    assert (answer.error, answer.body) == (ErrorClass.TOO_LARGE, None)


def test_a_content_length_above_max_bytes_is_not_read(web):
    answer = get(Client(replace(QUICK, max_bytes=500)), web.url("image/a.jpg"))
    assert answer.error is ErrorClass.TOO_LARGE


def test_redirects_are_followed_up_to_the_limit(web):
    client = Client(replace(QUICK, max_redirects=3))
    assert get(client, web.url("redirect/3/a.jpg")).error is None
    assert get(client, web.url("redirect/4/b.jpg")).error is ErrorClass.REDIRECT_LOOP
    assert get(client, web.url("loop/c.jpg")).error is ErrorClass.REDIRECT_LOOP
    assert web.count("loop/c.jpg") == 4


def test_a_redirect_to_another_scheme_is_refused(web):
    assert get(Client(QUICK), web.url("away/a.jpg")).error is ErrorClass.BAD_REDIRECT


@pytest.mark.parametrize("body", ["1000000/1000000", "1000/10"])
def test_a_redirect_is_followed_whatever_its_body(web, body):
    assert get(Client(QUICK), web.url(f"wordy/{body}/a.jpg")).error is None
    assert web.count("image/a.jpg") == 1


def test_a_redirect_target_is_percent_encoded(web):
    assert get(Client(QUICK), web.url("odd/a.jpg")).error is None
    assert web.requests()[-1] == "image/G%C3%A4nse%20und%20a.jpg"


@pytest.mark.parametrize(("status", "error"), [(404, ErrorClass.NOT_FOUND), (410, ErrorClass.GONE)])
def test_an_error_status_counts_even_if_its_page_never_arrives(web, status, error):
    answer = get(Client(IMPATIENT), web.url(f"falls/{status}/a.jpg"))
    assert (answer.error, answer.attempts) == (error, 1)


def test_a_response_that_is_not_http_is_a_protocol_error(web):
    assert get(Client(QUICK), web.url("garbage/a.jpg")).error is ErrorClass.PROTOCOL


def test_hosts_that_cannot_be_reached():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert get(Client(QUICK), f"http://127.0.0.1:{port}/a.jpg").error is ErrorClass.REFUSED
    assert get(Client(QUICK), "http://nowhere.invalid/a.jpg").error is ErrorClass.DNS


def test_tls_to_a_plain_server_fails_as_tls(web):
    assert get(Client(QUICK), web.url("image/a.jpg").replace("http:", "https:")).error is ErrorClass.TLS


@pytest.mark.parametrize("url", ["http://", "http:///a.jpg", "http://[::1/a.jpg", f"http://{'a' * 70}.example/a.jpg"])
def test_a_url_without_a_usable_host_is_a_bad_url(url):
    assert get(Client(QUICK), url).error is ErrorClass.BAD_URL


def test_a_non_ascii_path_is_percent_encoded(web):
    answer = get(Client(QUICK), web.url("image/Gänse und Möwen.jpg"))
    assert answer.error is None
    assert web.requests() == ["image/G%C3%A4nse%20und%20M%C3%B6wen.jpg"]


def test_requests_are_concurrent_up_to_the_limit_per_host(web):
    client = Client(replace(QUICK, threads=20, per_host=6, deadline_s=5.0, read_timeout_s=5.0))
    urls = [web.url(f"crowd/{number}.jpg") for number in range(40)]
    answers = answers_of(client, urls)
    assert [answers[url].error for url in urls] == [None] * 40
    assert get(client, web.url("most/x")).body == b"6"


def test_threads_limits_the_requests_to_all_hosts_together(web):
    client = Client(replace(QUICK, threads=3, per_host=8, deadline_s=5.0, read_timeout_s=5.0))
    answers_of(client, [web.url(f"crowd/{number}.jpg") for number in range(20)])
    assert get(client, web.url("most/x")).body == b"3"


def answers_of(client, urls):
    for url in urls:
        client.submit(url, url)
    answers = {}
    while client.in_flight:
        answers.update(client.poll())
    return answers


def test_retry_after_delays_all_requests_to_the_host(web):
    client = Client(replace(QUICK, threads=1, deadline_s=5.0))
    urls = [web.url("limited/1/a.jpg"), *(web.url(f"image/{name}.jpg") for name in "bcd")]
    answers = answers_of(client, urls)
    assert [answers[url].error for url in urls] == [None] * 4
    times = web.times()
    asked_first = web.requests()[0]
    assert asked_first == "limited/1/a.jpg"
    assert min(times[f"image/{name}.jpg"] for name in "bcd") >= times["limited/1/a.jpg"] - 1.0
    assert web.requests().index("limited/1/a.jpg", 1) == 1, "no request was sent to the host meanwhile"


def test_a_long_retry_after_ends_all_requests_to_the_host(web):
    client = Client(replace(QUICK, threads=1))
    urls = [web.url(f"closed/3600/{number}.jpg") for number in range(12)]
    answers = answers_of(client, urls)
    assert {answers[url].error for url in urls} == {ErrorClass.RATE_LIMITED}
    assert len(web.requests()) == 1
    assert sorted(answer.attempts for answer in answers.values()) == [0] * 11 + [1]
    # Another host is not affected.
    assert get(client, web.url("image/a.jpg").replace("127.0.0.1", "localhost")).error is None


def test_retry_after_delays_other_urls_even_if_the_first_is_given_up(web):
    client = Client(replace(QUICK, threads=1, attempts=1))
    started = time.monotonic()
    answers = answers_of(client, [web.url("limited/1/a.jpg"), web.url("image/b.jpg")])
    assert time.monotonic() - started >= 1.0
    assert [answer.error for answer in answers.values()] == [ErrorClass.RATE_LIMITED, None]


@pytest.mark.parametrize(
    "spelling", ["http://h.example/a", "http://h.example:80/a", "https://h.example/a", "http://H.example./a"]
)
def test_spellings_of_a_host_are_one_host(spelling):
    assert host_of(spelling) == "h.example"
    assert host_of("http://h.example:8080/a") == "h.example:8080"


def test_a_slow_url_does_not_block_others(web):
    client = Client(replace(QUICK, threads=2, read_timeout_s=3.0, deadline_s=3.0))
    client.submit(web.url("late/1500/slow.jpg"), "slow")
    for number in range(20):
        client.submit(web.url(f"image/{number}.jpg"), number)
    order = []
    while client.in_flight:
        order += [token for token, answer in client.poll() if answer.error is None]
    assert order[-1] == "slow"
    assert len(order) == 21


@pytest.mark.parametrize(
    "tag", ["noai", "noimageai", "noindex, NoAI", "parley: noimageai", "otherbot: noindex, *: noai"]
)
def test_opted_out_images_are_rejected(web, tag):
    answer = get(Client(QUICK), web.url(f"tagged/{tag}/a.jpg"))
    assert (answer.error, answer.body, answer.http_status) == (ErrorClass.OPTED_OUT, None, 200)
    taken = get(Client(replace(QUICK, obey_robots_tag=False)), web.url(f"tagged/{tag}/a.jpg"))
    assert (taken.error, taken.opted_out) == (None, True)


@pytest.mark.parametrize(
    "tag", ["noindex", "otherbot: noai", "all", "noaim", "unavailable_after: 25 Jun 2010 15:00:00 PST"]
)
def test_other_robots_tags_do_not_opt_out(web, tag):
    assert get(Client(QUICK), web.url(f"tagged/{tag}/a.jpg")).error is None


STRICT = replace(QUICK, allow_private_hosts=False)


def test_private_addresses_are_not_connected_to(web):
    url = web.url("image/a.jpg")
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1"):
        answer = get(Client(STRICT), url.replace("127.0.0.1", host))
        assert (answer.error, answer.http_status, answer.attempts) == (ErrorClass.PRIVATE_ADDRESS, None, 1), host
    assert get(Client(STRICT), "http://169.254.169.254/latest/meta-data/").error is ErrorClass.PRIVATE_ADDRESS
    assert get(Client(STRICT), "http://10.0.0.1/a.jpg").error is ErrorClass.PRIVATE_ADDRESS
    assert web.requests() == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "127.0.0.1."])
@pytest.mark.parametrize("no_proxy", ["localhost,127.0.0.1", "127.0.0.0/8"])
def test_a_proxy_does_not_circumvent_the_check_for_private_addresses(web, monkeypatch, host, no_proxy):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.2)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, no_proxy)
        answer = get(Client(STRICT), web.url("image/a.jpg").replace("127.0.0.1", host))
        with pytest.raises(TimeoutError):
            proxy.accept()
    assert answer.error is ErrorClass.PRIVATE_ADDRESS
    assert web.requests() == []


def test_libcurl_does_not_interpret_no_proxy(web, monkeypatch):
    """libcurl also accepts names separated by spaces; it would connect directly and bypass the check."""
    monkeypatch.setenv("http_proxy", web.base.rsplit("/", 1)[0])
    monkeypatch.setenv("no_proxy", "other.example pictures.example")
    monkeypatch.setenv("NO_PROXY", "other.example pictures.example")
    assert get(Client(STRICT), f"http://pictures.example/{web.token}/image/a.jpg").error is None


def test_answers_from_private_addresses_are_marked(web):
    assert get(Client(QUICK), web.url("image/a.jpg")).from_private
    assert get(Client(QUICK), web.url("status/404/a.jpg")).from_private
    assert get(Client(QUICK), web.url("redirect/2/a.jpg")).from_private


def test_a_redirect_to_a_private_address_is_not_followed(web, monkeypatch):
    # 127.0.0.1, the server's address, counts as public here; no other address is changed.
    monkeypatch.setattr(transfer_module, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    with socket.create_server(("127.0.0.2", 0)) as inner:
        inner.settimeout(0.2)
        client = Client(STRICT)
        answer = get(client, web.url(f"sendto/127.0.0.2:{inner.getsockname()[1]}/a.jpg"))
        with pytest.raises(TimeoutError):
            inner.accept()
    assert answer.error is ErrorClass.PRIVATE_ADDRESS
    assert get(client, web.url("image/a.jpg")).error is None


def test_an_untrusted_certificate_is_a_tls_error(secure):
    answer = get(Client(QUICK), f"https://localhost:{secure[0]}/a.jpg")
    assert (answer.error, answer.attempts) == (ErrorClass.TLS, 1)


def test_ssl_cert_file_names_trusted_certificates(secure, monkeypatch):
    port, certificate = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert get(Client(QUICK), f"https://localhost:{port}/a.jpg").body == b"image"


def test_proxies_of_the_environment_are_used(web, monkeypatch):
    """The server acts as a proxy and is sent a full URL, which it cannot answer."""
    monkeypatch.setenv("http_proxy", web.base.rsplit("/", 1)[0])
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    answer = get(Client(STRICT), f"http://pictures.example/{web.token}/image/a.jpg")
    assert answer.error is None
    assert get(Client(STRICT), f"http://127.0.0.1/{web.token}/image/b.jpg").error is ErrorClass.PRIVATE_ADDRESS
