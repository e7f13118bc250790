"""Which servers a download contacts, and what it tells them."""

import contextlib
import functools
import socket

import pytest

from parley.core.errors import ParleyError
from parley.dataset import downloads, secret_headers, web_client
from parley.dataset.downloads import download
from parley.dataset.web_rules import is_public

download_anywhere = functools.partial(download, allow_private_hosts=True)


def refused(location, tmp_path):
    with pytest.raises(ParleyError, match=r"has no public address; if you trust it, set fetch\.allow_private_hosts"):
        download([location], tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0.0.0.0", "169.254.169.254"])
def test_addresses_that_are_not_public_are_refused_before_connecting(tmp_path, host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        refused(f"http://{host}:{server.getsockname()[1]}/a", tmp_path)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_redirect_to_an_address_that_is_not_public_is_refused(web, tmp_path, monkeypatch):
    # 127.0.0.1, the server's address, counts as public here; no other address is changed.
    monkeypatch.setattr(web_client, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    with socket.create_server(("127.0.0.2", 0)) as inner:
        inner.settimeout(0.1)
        refused(web.url(f"sendto/127.0.0.2:{inner.getsockname()[1]}"), tmp_path)
        with pytest.raises(TimeoutError):
            inner.accept()
    download([web.url("redirect/3/a.jpg")], tmp_path / "target")


def test_a_name_is_connected_to_where_it_was_checked(web, tmp_path, monkeypatch):
    """A server of names that gives a public address to one question and a private one to the next gains nothing."""
    answers = iter(["127.0.0.1", "127.0.0.3"])
    real = socket.getaddrinfo

    def rebinding(host, *arguments, **options):
        return real(next(answers) if host == "rebinding.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(web_client, "is_public", lambda address: address == "127.0.0.1")
    download([web.url("text/list").replace("127.0.0.1", "rebinding.test")], tmp_path / "target")
    refused(web.url("text/list").replace("127.0.0.1", "rebinding.test"), tmp_path / "other")


def test_of_many_silent_addresses_only_some_are_tried(tmp_path, monkeypatch):
    real = socket.getaddrinfo
    monkeypatch.setattr(downloads, "RETRIES", 0)
    monkeypatch.setattr(web_client, "is_public", lambda address: True)
    with contextlib.ExitStack() as opened, socket.create_server(("0.0.0.0", 0), backlog=0) as server:
        port = server.getsockname()[1]

        def resolved(host, *rest, **options):
            hosts = [f"127.0.0.{last}" for last in range(1, 200)] if host == "many.test" else [host]
            return [found for one in hosts for found in real(one, *rest, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        for _ in range(4):  # With its queue full, the server answers nobody.
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        tried, connect = [], socket.socket.connect
        monkeypatch.setattr(socket.socket, "connect", lambda one, to: tried.append(to) or connect(one, to))
        with pytest.raises(ParleyError, match="timed out"):
            download([f"http://many.test:{port}/x"], tmp_path / "target", timeout_s=0.1)
    assert tried == [(f"127.0.0.{last}", port) for last in range(1, 9)]


def test_a_proxy_may_be_private_but_not_the_requested_host(web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", web.base.rsplit("/", 1)[0])
    monkeypatch.setenv("no_proxy", "")
    download([f"http://files.invalid/{web.token}/text/list"], tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"list" * 100_000
    (tmp_path / "target").unlink()
    refused(f"http://10.0.0.1/{web.token}/text/list", tmp_path)
    assert web.requests() == ["text/list"]


def test_the_user_agent_is_parleys_and_nothing_compressed_is_asked_for(web, tmp_path):
    download_anywhere([web.url("headers")], tmp_path / "target")
    lines = (tmp_path / "target").read_text().splitlines()
    assert f"User-Agent: {web_client.user_agent()}" in lines
    assert "Accept-Encoding: identity" in lines


def received(tmp_path, url):
    download_anywhere([url], tmp_path / "target")
    return (tmp_path / "target").read_text()


def test_secret_headers_go_to_their_host_only(web, tmp_path, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    origin = web.base.rsplit("/", 1)[0]
    monkeypatch.setenv(
        secret_headers.HEADERS, f"{origin} Cookie: id=s3cret; b=1\n\n{origin} X-Key: k3y\nother.org A: b\n"
    )
    told = received(tmp_path, web.url("headers"))
    assert "Cookie: id=s3cret; b=1" in told
    assert "X-Key: k3y" in told
    assert "A: b" not in told
    # Another name of the same machine is another host, also at the end of a redirect; and back again.
    assert "s3cret" not in received(tmp_path, web.url("headers").replace("127.0.0.1", "localhost"))
    assert "s3cret" not in received(tmp_path, web.url("hop/localhost/headers"))
    assert "s3cret" in received(tmp_path, web.url("hop/localhost/hop/127.0.0.1/headers"))
    with pytest.raises(ParleyError) as error:
        download_anywhere([web.url("status/404/a"), web.url("away/a")], tmp_path / "other")
    assert "s3cret" not in caplog.text + str(error.value)
    assert "k3y" not in caplog.text + str(error.value)


def test_headers_for_a_host_without_a_scheme_are_sent_over_https_only(monkeypatch):
    monkeypatch.setenv(secret_headers.HEADERS, "image-net.org Cookie: a=b")
    assert secret_headers.secret_headers("https://image-net.org/x.tar") == {"Cookie": "a=b"}
    for url in (
        "http://image-net.org/x",
        "https://image-net.org:8443/x",
        "https://www.image-net.org/x",
        "x",
        "http://[",
    ):
        assert secret_headers.secret_headers(url) == {}


@pytest.mark.parametrize(
    "line",
    [
        *("image-net.org", "image-net.org s3cret", "Cookie: s3cret", "a.org Co okie: s3cret", "a.org Cookie:"),
        *("a.org Cookie: s3cret\x07", "a.org Cookie: s3cr\xe9t", "ftp://a.org A: s3cret", "http://a:x A: s3cret"),
    ],
)
def test_a_malformed_line_is_reported_by_its_number_alone(tmp_path, monkeypatch, line):
    monkeypatch.setenv(secret_headers.HEADERS, f"a.org A: b\n{line}")
    with pytest.raises(ParleyError, match="Line 2 of the environment variable PARLEY_HTTP_HEADERS") as error:
        download_anywhere(["http://127.0.0.1:9/a"], tmp_path / "target")
    assert "s3c" not in str(error.value)


def test_passwords_in_netrc_are_not_sent(web, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert "Authorization" not in received(tmp_path, web.url("headers"))


def test_the_body_of_a_redirect_is_not_read(web, tmp_path):
    """However much it announces."""
    download_anywhere([web.url("wordy/1000000000/10/a.jpg")], tmp_path / "target", timeout_s=1)
    assert web.requests() == ["wordy/1000000000/10/a.jpg", "image/a.jpg"]


def test_an_untrusted_certificate_is_refused(secure, tmp_path):
    with pytest.raises(ParleyError, match="certificate verify failed"):
        download_anywhere([f"https://localhost:{secure[0]}/a"], tmp_path / "target", timeout_s=2)


def test_ssl_cert_file_names_trusted_certificates(secure, tmp_path, monkeypatch):
    port, certificate = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv(secret_headers.HEADERS, f"localhost:{port} Cookie: a=b")
    download_anywhere([f"https://localhost:{port}/a.jpg"], tmp_path / "target", timeout_s=2)
    assert (tmp_path / "target").read_bytes() == b"image"
