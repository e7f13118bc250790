import functools
import hashlib

import pytest

from parley.core.errors import ParleyError
from parley.dataset import downloads

download = functools.partial(downloads.download, allow_private_hosts=True)
TEXT = b"list" * 100_000


def test_a_local_file_is_copied(tmp_path):
    (tmp_path / "source").write_bytes(TEXT)
    assert download([str(tmp_path / "source")], tmp_path / "sub" / "target") == str(tmp_path / "source")
    assert (tmp_path / "sub" / "target").read_bytes() == TEXT


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_a_url_is_downloaded_and_its_checksum_verified(web, tmp_path, name):
    digest = hashlib.new(name, TEXT).hexdigest().upper()
    download([web.url("text/list")], tmp_path / "target", f"{name}:{digest}")
    assert (tmp_path / "target").read_bytes() == TEXT
    assert web.requests() == ["text/list"]


def test_the_first_location_with_the_file_is_used(web, tmp_path):
    locations = [str(tmp_path / "none"), web.url("status/404/list"), web.url("text/list"), web.url("text/other")]
    assert download(locations, tmp_path / "target") == locations[2]
    assert web.requests() == ["status/404/list", "text/list"]


def test_a_location_with_another_checksum_is_skipped(web, tmp_path):
    (tmp_path / "stale").write_bytes(b"stale")
    checksum = f"sha256:{hashlib.sha256(TEXT).hexdigest()}"
    assert download([str(tmp_path / "stale"), web.url("text/list")], tmp_path / "target", checksum).endswith(
        "text/list"
    )


def test_redirects_are_followed(web, tmp_path):
    download([web.url("redirect/3/list.jpg")], tmp_path / "target")
    assert (tmp_path / "target").read_bytes().startswith(b"\xff\xd8")


def test_all_failures_are_reported_together_and_nothing_is_left(web, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "BACKOFF_S", 0.01)
    (tmp_path / "stale").write_bytes(b"stale")
    (tmp_path / "folder").mkdir()
    failures = {
        str(tmp_path / "none"): "No such file",
        str(tmp_path / "folder"): "Is a directory",
        str(tmp_path / "stale"): "its sha256 is",
        web.url("status/404/a"): "HTTP status 404",
        web.url("silent/a"): "timed out",
        web.url("loop/a"): "more than 5 redirects",
        web.url("away/a"): "redirects to file:///etc/hostname, which is not http or https",
        "http://nowhere.invalid/a": "resolve",
    }
    with pytest.raises(ParleyError) as error:
        download(list(failures), tmp_path / "out" / "target", f"sha256:{'0' * 64}", timeout_s=0.3)
    (sentence,) = error.value.findings
    assert sentence.endswith("Add a mirror or a local path.")
    for location, reason in failures.items():
        assert reason in sentence.split(location, 1)[1].split("); ")[0]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "checksum", ["md5:0123", f"crc32:{8 * '0'}", "sha256:1234567*", "sha1:", "sha256:123", f"sha1:{'g' * 40}", "0" * 64]
)
def test_an_invalid_checksum_is_reported_before_any_download(tmp_path, checksum):
    with pytest.raises(ParleyError, match="must be 'md5:'"):
        download([str(tmp_path / "none")], tmp_path / "target", checksum)


def test_no_location_is_reported(tmp_path):
    with pytest.raises(ParleyError, match="no location is configured"):
        download([], tmp_path / "target")
