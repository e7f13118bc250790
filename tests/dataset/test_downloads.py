import errno
import fcntl
import functools
import hashlib
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from image_server import content

from parley.core.errors import ParleyError
from parley.core.files import remove_all_leftovers
from parley.dataset import downloads
from parley.dataset.partial_downloads import exclusive_lock

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
    assert sentence.endswith(
        "If the file is the right one, correct the checksum in the config; otherwise, add a mirror or a local path."
    )
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


SIZE = 300_000
AT_60 = f"bytes={SIZE * 6 // 10}-"


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def fetch(web, tmp_path, traits, *others, **options):
    """Download the file with these traits of the server, and return its bytes and the ranges asked for."""
    path = f"file/{traits}/{SIZE}"
    download([web.url(path), *map(web.url, others)], tmp_path / "target", timeout_s=1, **options)
    assert [one.name for one in tmp_path.iterdir()] == ["target"]
    return (tmp_path / "target").read_bytes(), web.ranges(path)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(downloads, "BACKOFF_S", 0.01)


@pytest.mark.parametrize("traits", ["tag+cut", "dated+cut", "tag+stalls", "tag+cut+unmeasured"])
def test_an_interrupted_download_continues(web, tmp_path, traits):
    size = SIZE if "unmeasured" in traits else None
    assert fetch(web, tmp_path, traits, size=size) == (content(SIZE), ["", AT_60])


def test_without_a_validator_a_checksum_decides(web, tmp_path):
    assert fetch(web, tmp_path, "cut") == (content(SIZE), ["", ""])
    (tmp_path / "target").unlink()
    assert fetch(web, tmp_path, "cut+", checksum=sha256(content(SIZE))) == (content(SIZE), ["", AT_60])


@pytest.mark.parametrize("kind", ["tag", "dated"])
@pytest.mark.parametrize("answer", ["", "+credulous"])
def test_a_file_that_changes_meanwhile_is_downloaded_again(web, tmp_path, kind, answer, quick):
    got, ranges = fetch(web, tmp_path, f"{kind}+cut+changes{answer}")
    assert got == content(SIZE, "new")
    assert ranges == ["", AT_60, ""][: 3 if answer else 2]


def test_a_file_with_a_wrong_checksum_is_downloaded_again(web, tmp_path, quick):
    found = fetch(web, tmp_path, "cut+changes", checksum=sha256(content(SIZE, "new")))
    assert found == (content(SIZE, "new"), ["", AT_60, ""])


@pytest.mark.parametrize(("answer", "asked"), [("whole", 2), ("shifted", 3), ("refusing", 3)])
def test_servers_that_answer_ranges_wrongly_still_give_the_file(web, tmp_path, answer, asked, quick):
    got, ranges = fetch(web, tmp_path, f"tag+cut+{answer}")
    assert got == content(SIZE)
    assert ranges == ["", AT_60, ""][:asked]


@pytest.mark.parametrize("options", [{}, {"checksum": sha256(content(SIZE))}])
@pytest.mark.parametrize(
    ("traits", "reason"),
    [("tag+cut+login", "it has 26 bytes, not 300000"), ("tag+cut+login+chunked", "its server sends a web page")],
)
def test_a_login_page_discards_no_bytes(web, tmp_path, traits, reason, options):
    path = f"file/{traits}/{SIZE}"
    with pytest.raises(ParleyError, match=f"{reason}.* 180000 bytes are kept"):
        download([web.url(path)], tmp_path / "target", size=SIZE, **options)
    assert fetch(web, tmp_path, traits, size=SIZE, **options) == (content(SIZE), ["", AT_60, AT_60])


def test_bytes_of_a_file_of_another_size_than_wanted_now_are_discarded(web, tmp_path, quick):
    lame = web.url(f"file/tag+lame/{SIZE}")
    with pytest.raises(ParleyError, match="180000 bytes are kept"):
        download([lame], tmp_path / "target")
    with pytest.raises(ParleyError, match=r"it has 300000 bytes, not 3\)"):
        download([lame], tmp_path / "target", size=3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", ["shifted", "refusing"])
def test_a_mirror_that_cannot_continue_gives_the_whole_file(web, tmp_path, answer, quick):
    other = f"file/tag+{answer}/{SIZE}"
    assert fetch(web, tmp_path, "tag+lame", other, checksum=sha256(content(SIZE)))[0] == content(SIZE)
    assert web.ranges(other) == [AT_60, ""]


def test_another_mirror_continues_if_a_checksum_is_known(web, tmp_path, quick):
    other = f"file/tag/{SIZE}"
    got, _ = fetch(web, tmp_path, "tag+lame", other, checksum=sha256(content(SIZE)))
    assert got == content(SIZE)
    assert web.ranges(other) == [AT_60]


def test_without_a_checksum_files_of_two_mirrors_are_not_mixed(web, tmp_path, quick):
    other = f"file/tag/{SIZE}"
    fetch(web, tmp_path, "tag+lame", other)
    assert web.ranges(other) == [""]


def test_bytes_of_two_mirrors_are_used_only_while_a_checksum_is_known(web, tmp_path, quick):
    first, second = f"file/tag+lame/{SIZE}", f"file/tag+lame+late/{SIZE}"
    with pytest.raises(ParleyError, match="270000 bytes are kept"):
        download([web.url(first), web.url(second)], tmp_path / "target", sha256(content(SIZE)))
    for mirror in (first, second):
        asked = len(web.ranges(mirror))
        with pytest.raises(ParleyError, match="ended early"):
            download([web.url(mirror)], tmp_path / "target")
        assert web.ranges(mirror)[asked] == ""


@pytest.mark.parametrize(
    ("other", "options"),
    [
        (f"file/tag/{SIZE - 1}", {"size": SIZE}),
        (f"file/tag/{SIZE - 1}", {"checksum": sha256(content(SIZE)), "size": SIZE}),
        (f"file/packed/{SIZE}", {}),
        (f"file/tag+refusing+gone/{SIZE}", {"checksum": sha256(content(SIZE))}),
        (f"file/tag+shifted+gone/{SIZE}", {"checksum": sha256(content(SIZE))}),
        ("stale", {"checksum": sha256(content(SIZE))}),
    ],
)
def test_a_refused_answer_of_a_mirror_discards_no_bytes(web, tmp_path, quick, other, options):
    lame = f"file/tag+lame/{SIZE}"
    (tmp_path / "stale").write_bytes(bytes(SIZE))
    others = [str(tmp_path / "stale") if other == "stale" else web.url(other)]
    for _ in range(2):
        with pytest.raises(ParleyError, match="180000 bytes are kept; run again to continue from there"):
            download([web.url(lame), *others], tmp_path / "target", **options)
    assert web.ranges(lame) == ["", *7 * [AT_60]]
    assert (tmp_path / ".target.partial").read_bytes() == content(SIZE)[: SIZE * 6 // 10]


def test_attempts_are_not_counted_while_there_is_progress(web, tmp_path):
    path = "file/tag+portions/7000000"
    download([web.url(path)], tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == content(7_000_000)
    assert len(web.ranges(path)) == 6 > 1 + downloads.RETRIES


def test_a_wrong_mirror_is_left_for_the_right_one(web, tmp_path):
    wrong, right = f"file/tag+changes/{SIZE}", f"file/tag/{SIZE}/right"
    download([web.url(wrong)], tmp_path / "first")
    download([web.url(wrong), web.url(right)], tmp_path / "target", sha256(content(SIZE)))
    assert (tmp_path / "target").read_bytes() == content(SIZE)
    assert (len(web.ranges(wrong)), len(web.ranges(right))) == (2, 1)


def test_resume_starts_with_the_previous_mirror(web, tmp_path, quick):
    lame, other = f"file/tag+lame/{SIZE}", f"file/tag/{SIZE}"
    with pytest.raises(ParleyError, match=r"180000 bytes are kept; run again to continue from there"):
        download([web.url("status/404/a"), web.url(lame)], tmp_path / "target")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".target.partial", ".target.partial.json"]
    asked = len(web.ranges(lame))
    assert download([web.url(other), web.url(lame)], tmp_path / "target") == web.url(other)
    assert web.ranges(lame)[asked:] == 4 * [AT_60], "first where the bytes are from"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_bytes_that_no_later_call_can_use_are_not_kept(web, tmp_path, quick):
    with pytest.raises(ParleyError, match="ended early") as error:
        download([web.url(f"file/lame/{SIZE}")], tmp_path / "target")
    assert "are kept" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", ["", "[]", '{"url": 3}', "\0"])
def test_a_damaged_record_of_a_partial_file_only_costs_its_bytes(web, tmp_path, record):
    (tmp_path / ".target.partial").write_bytes(b"garbage")
    (tmp_path / ".target.partial.json").write_text(record)
    assert fetch(web, tmp_path, "tag") == (content(SIZE), [""])


def test_complete_partial_file_is_not_requested_again(web, tmp_path):
    url = web.url(f"file/tag/{SIZE}")
    (tmp_path / ".target.partial").write_bytes(content(SIZE))
    (tmp_path / ".target.partial.json").write_text(f'{{"url": "{url}", "validator": "\\"\\"", "bytes": {SIZE}}}')
    download([url], tmp_path / "target", sha256(content(SIZE)))
    assert (tmp_path / "target").read_bytes() == content(SIZE)
    assert web.requests() == []


@pytest.mark.parametrize(
    ("path", "options", "reason"),
    [
        (f"file/tag/{SIZE}", {"most_bytes": SIZE - 1}, "it has more than 299999 bytes"),
        (f"file/unmeasured/{SIZE}", {"most_bytes": SIZE - 1}, "it has more than 299999 bytes"),
        ("endless/a", {"most_bytes": 1_000_000}, "it has more than 1000000 bytes"),
        (f"file/tag/{SIZE}", {"size": SIZE + 1}, "it has 300000 bytes, not 300001"),
        (f"file/unmeasured/{SIZE}", {"size": SIZE - 1}, "it has more than 299999 bytes"),
        ("length/b2", {}, "its Content-Length is no number"),
        (f"length/{5000 * '39'}", {}, "its Content-Length is no number"),
        ("garbage/a", {}, "BadStatusLine: SSH"),
        ("sendto/[::1", {}, "InvalidURL: Failed to parse"),
        ("sendto/a:99999999", {}, "InvalidURL: Failed to parse"),
        (f"sendto/{300 * 'a'}", {}, "LocationParseError: Failed to parse"),
        ("drip/a", {}, "timed out: under 5000 bytes/s"),
        pytest.param("dripheaders/a", {}, "timed out: under 5000 bytes/s", marks=pytest.mark.slow),
        pytest.param("dripline/a", {}, "timed out: under 5000 bytes/s", marks=pytest.mark.slow),
        ("falls/503/a", {}, "HTTP status 503"),
        ("status/206/a", {}, "HTTP status 206, although the whole file was requested"),
        ("status/416/a", {}, "HTTP status 416, although the whole file was requested"),
    ],
)
def test_bad_servers_end_in_a_reason_soon_and_leave_nothing(web, tmp_path, monkeypatch, path, options, reason):
    monkeypatch.setattr(downloads, "RETRIES", 1)
    began = time.monotonic()
    with pytest.raises(ParleyError, match=re.escape(f"({reason}")):
        download([web.url(path)], tmp_path / "target", timeout_s=1, **options)
    assert time.monotonic() - began < 60
    assert list(tmp_path.iterdir()) == []


def test_a_local_file_of_another_size_is_refused(tmp_path):
    (tmp_path / "source").write_bytes(TEXT)
    with pytest.raises(ParleyError, match="it has 400000 bytes, not 3"):
        download([str(tmp_path / "source")], tmp_path / "target", size=3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ParleyError, match="not a regular file"):
        download([str(tmp_path / "pipe")], tmp_path / "target")


def test_nothing_is_unpacked(web, tmp_path):
    with pytest.raises(ParleyError, match="its server applies gzip unasked; to store it so, give the checksum"):
        fetch(web, tmp_path, "packed")
    assert fetch(web, tmp_path, "packed+", checksum=sha256(content(SIZE)))[0] == content(SIZE)
    path = f"file/packed/{SIZE}/list.tgz"
    download([web.url(path)], tmp_path / "list")
    assert (tmp_path / "list").read_bytes() == content(SIZE)


def test_retry_after_is_obeyed_up_to_two_minutes(web, tmp_path):
    began = time.time()
    download([web.url("limited/1/a.jpg")], tmp_path / "target")
    assert web.times()["limited/1/a.jpg"] - began >= 1
    with pytest.raises(ParleyError, match="HTTP status 429; it asks to wait 5 min"):
        download([web.url("closed/300/a.jpg")], tmp_path / "other")
    assert web.count("closed/300/a.jpg") == 1
    download([web.url("limited/soon/a.jpg")], tmp_path / "third")


@pytest.mark.slow
def test_silent_host_is_tried_last_for_later_files(web, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(downloads, "RETRIES", 1)
    mirror = web.url(f"file/tag/{SIZE}").replace("127.0.0.1", "localhost")
    for name in "abc":
        silent = web.url(f"silent/{name}")
        assert download([silent, mirror], tmp_path / name, timeout_s=1) == mirror
    assert [web.count(f"silent/{name}") for name in "abc"] == [2, 0, 0]
    with pytest.raises(ParleyError, match=r"silent/d \(timed out"):
        download([web.url("silent/d")], tmp_path / "d", timeout_s=1)


def test_a_transient_status_is_asked_again_and_a_final_one_is_not(web, tmp_path, quick):
    download([web.url("flaky/3/503/a.jpg")], tmp_path / "target")
    for status, times in ((503, 4), (404, 1), (403, 1)):
        with pytest.raises(ParleyError, match=f"HTTP status {status}"):
            download([web.url(f"status/{status}/a")], tmp_path / "other")
        assert web.count(f"status/{status}/a") == times


def test_two_processes_that_want_the_same_file_get_it_once(web, tmp_path):
    size = 5_000_000  # It takes longer than a thread takes to start.
    path = f"file/slow/{size}"
    with ThreadPoolExecutor(2) as pool:
        found = {result.result() for result in [pool.submit(download, [web.url(path)], tmp_path / "t") for _ in "ab"]}
    assert found == {web.url(path), str(tmp_path / "t")}
    assert web.ranges(path) == [""]
    assert (tmp_path / "t").read_bytes() == content(size)
    assert [one.name for one in tmp_path.iterdir()] == ["t"]


def refuse(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_without_file_locks_each_process_has_its_own_partial_file(web, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    path = f"file/slow+unmeasured/{SIZE}"
    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(download, [web.url(path)], tmp_path / "t") for _ in "ab"]:
            assert result.result() == web.url(path)
    assert (tmp_path / "t").read_bytes() == content(SIZE)
    with pytest.raises(ParleyError) as error:
        download([web.url(f"file/tag+lame/{SIZE}")], tmp_path / "other")
    assert "are kept" not in str(error.value)
    with exclusive_lock(tmp_path / "third"):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["t"]


LOCKLESS = """
import errno, fcntl, os, sys
from parley.dataset.downloads import download
from parley.dataset.partial_downloads import exclusive_lock
from pathlib import Path

def refuse(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

fcntl.flock = refuse
with exclusive_lock(Path(sys.argv[2], "third")):
    download([sys.argv[1]], Path(sys.argv[2], "target"), allow_private_hosts=True)
"""


def test_without_file_locks_a_killed_process_leaves_only_temporary_files(web, tmp_path):
    path = f"file/tag+slow/{100 * SIZE}"
    with subprocess.Popen([sys.executable, "-c", LOCKLESS, web.url(path), str(tmp_path)]) as process:
        until = time.monotonic() + 60
        while web.sent(path) < SIZE and time.monotonic() < until:
            time.sleep(0.01)
        process.kill()
    left = sorted(tmp_path.iterdir())
    assert [one.name.split(".")[1] for one in left] == ["target", "third"]
    assert sorted(remove_all_leftovers([tmp_path])) == left
    assert list(tmp_path.iterdir()) == []


def refuse_to_wait(_, how):
    raise BlockingIOError if how & fcntl.LOCK_NB else OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.parametrize("flock", [refuse, refuse_to_wait])
def test_a_failed_lock_discards_no_bytes_of_other_processes(web, tmp_path, quick, monkeypatch, flock):
    lame = web.url(f"file/tag+lame/{SIZE}")
    with pytest.raises(ParleyError, match="180000 bytes are kept"):
        download([lame], tmp_path / "target")
    kept = sorted(tmp_path.iterdir())
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ParleyError, match="ended early") as error:
        download([lame], tmp_path / "target")
    assert "are kept" not in str(error.value)
    assert sorted(tmp_path.iterdir()) == kept
    assert (tmp_path / ".target.partial").read_bytes() == content(SIZE)[: SIZE * 6 // 10]


def test_a_file_that_another_process_has_locked_stays_if_waiting_for_it_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse_to_wait)
    (tmp_path / ".target.lock").touch()
    with exclusive_lock(tmp_path / "target"):
        assert len(list(tmp_path.iterdir())) == 2
    assert [one.name for one in tmp_path.iterdir()] == [".target.lock"]


LOCKERS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from parley.dataset.partial_downloads import exclusive_lock

def enter(_):
    for _ in range(300):
        with exclusive_lock(Path(sys.argv[1], "x")):
            inside.append(1)
            assert len(inside) == 1
            inside.pop()

inside = []
with ThreadPoolExecutor(4) as pool:
    list(pool.map(enter, range(4)))
"""


def test_many_that_lock_a_file_and_remove_it_get_in_one_at_a_time(tmp_path):
    subprocess.run([sys.executable, "-c", LOCKERS, str(tmp_path)], check=True, timeout=30)
    assert list(tmp_path.iterdir()) == []


def test_http_libraries_are_loaded_only_for_a_download():
    code = "import sys, parley.dataset.downloads; assert not {'requests', 'urllib3'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_full_disk_is_reported_and_discards_no_bytes(web, tmp_path, small_disk):
    disk = tmp_path / "disk"
    small_disk.mount(disk, 1 << 17)
    with pytest.raises(ParleyError, match=r"300,000 more bytes are needed, but the disk has only [\d,]+ free"):
        download([web.url(f"file/tag/{SIZE}")], disk / "target")
    path = f"file/tag+unmeasured/{SIZE}"
    with pytest.raises(ParleyError, match=r"target cannot be written \(No space left on device"):
        download([web.url(path)], disk / "target")
    kept = (disk / ".target.partial").stat().st_size
    assert kept > 1 << 16
    small_disk.make_room(disk)
    download([web.url(path)], disk / "target")
    assert web.ranges(path) == ["", f"bytes={kept}-"]
    assert (disk / "target").read_bytes() == content(SIZE)


PROCESS = """
import sys
from parley.dataset.downloads import download
download([sys.argv[1]], sys.argv[2], allow_private_hosts=True)
"""


@pytest.mark.slow
def test_ten_kills_discard_no_bytes(web, tmp_path):
    size, chance = 30_000_000, random.Random(4)
    path = f"file/tag+slow/{size}"
    command = [sys.executable, "-c", PROCESS, web.url(path), str(tmp_path / "target")]
    partial, kept = tmp_path / ".target.partial", [0]
    for _ in range(10):
        goal, until = kept[-1] + chance.randint(1, 600_000), time.monotonic() + 60
        with subprocess.Popen(command) as process:
            while not (partial.exists() and partial.stat().st_size >= goal) and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
        kept.append(partial.stat().st_size)
    subprocess.run(command, check=True, timeout=120)
    assert (tmp_path / "target").read_bytes() == content(size)
    assert len(set(kept)) == 11, "each process got a part"
    assert web.ranges(path) == [f"bytes={size}-" if size else "" for size in kept]
    # Only what was under way when a process was killed is sent twice.
    assert size <= web.sent(path) < size + 10 * 500_000
    assert [one.name for one in tmp_path.iterdir()] == ["target"]
