"""The stage from plan to tar and manifest, against a real server and local files."""

import csv
import hashlib
import subprocess
import sys
import tarfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fetch_jobs import COUNTS, HEN, LION, PATIENT, Job, cached_keys, files_below, get, images, timeless
from PIL import Image

from parley.core.errors import ParleyError
from parley.core.tables import read_table
from parley.dataset.dedup.finalise import finalise_splits
from parley.dataset.dedup.outcomes import DedupOptions
from parley.dataset.fetch.client import Client
from parley.dataset.fetch.options import FetchOptions, read_exclusions
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS
from parley.dataset.listing import image_key

RULES = DedupOptions(0.5)


def test_tar_and_manifest_contain_the_plans_first_images(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 60)})
    tally = job.fetch()
    reserves = job.reserves()
    expected = reserves["train"][:18] + reserves["test"][:9]
    rows = job.manifest()
    assert [row["key"] for row in rows] == expected
    assert [row["status"] for row in rows] == ["ok"] * 27
    assert list(job.members()) == [f"{key}.jpg" for key in expected]
    for row, body in zip(rows, job.members().values(), strict=True):
        assert row["key"] == image_key(row["url"])
        assert row["sha256"] == hashlib.sha256(body).hexdigest()
        assert int(row["bytes"]) == len(body)
        assert (row["width"], row["height"], row["http_status"], row["error_class"]) == ("48", "40", "200", "")
    assert (tally.tried, tally.ok, tally.errors) == (27, 27, Counter())
    assert Counter(web.requests()) == Counter(row["url"].removeprefix(web.base + "/") for row in rows)


@pytest.mark.slow
def test_every_failure_is_named_and_counts_add_up(web, tmp_path):
    bad = {
        "status/404": "not_found",
        "status/500": "server_error",
        "html": "html",
        "empty": "empty",
        "placeholder": "placeholder",
        "truncated": "truncated",
        "noise": "undecodable",
        "tiny": "too_small",
        "bomb": "bomb",
        "silent": "read_timeout",
        "away": "bad_redirect",
        "status/410": "gone",
        "status/429": "rate_limited",
        "limited/3600": "rate_limited",
        "reset/9": "reset",
        "short": "incomplete",
        "endless": "too_large",
        "drip": "deadline",
        "redirect/9": "redirect_loop",
        "loop": "redirect_loop",
        "animated": "animated",
        "tagged/noai": "opted_out",
    }
    fine = ["flaky/1/500", "limited/0", "redirect/3", "format/JPEG/CMYK", "format/GIF/P", "rotated", "deep"]
    urls = [web.url(f"{behaviour}/a.jpg") for behaviour in bad]
    # Another host name, because a host that asks for an hour's wait gets no other request.
    urls = [url.replace("127.0.0.1", "localhost") if "limited/3600" in url else url for url in urls]
    # Every split needs more images than there are, so that every candidate is tried.
    job = Job(tmp_path, {LION: urls + [web.url(f"{behaviour}/b.jpg") for behaviour in fine] + images(web, 10)})
    options = replace(PATIENT, attempts=2, max_bytes=200_000, read_timeout_s=2.0, deadline_s=4.0)
    tally = job.fetch(margin=9, options=options)
    rows = job.manifest()
    assert {row["url"]: row["error_class"] for row in rows if row["status"] == "failed"} == dict(
        zip(urls, bad.values(), strict=True)
    )
    assert tally.tried == len(rows) == len(bad) + len(fine) + 10
    assert tally.ok + tally.errors.total() == tally.tried
    assert tally.errors == Counter(bad.values())
    assert len(job.members()) == len(fine) + 10


def test_urls_skipped_because_of_retry_after_are_reported_and_not_cached(web, tmp_path):
    job = Job(tmp_path, {LION: [*images(web, 20, "limited/3600"), *images(web, 20)]})
    tally = job.fetch(options=replace(PATIENT, threads=1))
    assert tally.tried == 40, "all are tried, since there are fewer images than needed"
    resting = {row["key"] for row in job.manifest() if row["attempts"] == "0"}
    assert {row["error_class"] for row in job.manifest() if row["key"] in resting} == {"rate_limited"}
    assert len(web.requests()) == 40 - len(resting) < 40
    assert not resting & cached_keys(tmp_path)


def test_kinds_of_image_that_are_refused_are_named(web, tmp_path):
    kinds = {"format/JPEG/CMYK": "cmyk", "rotated": "rotated", "deep": "sixteen_bit", "format/PNG/RGBA": "transparent"}
    urls = {web.url(f"{behaviour}/a"): kind for behaviour, kind in kinds.items()}
    job = Job(tmp_path, {LION: [*urls, *images(web, 5)]})
    tally = job.fetch(options=replace(PATIENT, refuse=tuple(kinds.values())))
    assert {row["url"]: row["error_class"] for row in job.manifest() if row["status"] == "failed"} == urls
    assert tally.errors == Counter(kinds.values())
    assert job.fetch(out="again", options=replace(PATIENT, refuse=())).errors == Counter()


def test_duplicate_bytes_are_replaced_and_repeated_ones_are_a_placeholder(web, tmp_path):
    copies = images(web, 3, "same")
    job = Job(tmp_path, {LION: [*copies, *images(web, 60)]})
    tally = job.fetch(margin=0)
    distinct = {row["sha256"] for row in job.manifest() if row["status"] == "ok"}
    assert len(distinct) == 18, "images with the same bytes count once"
    # Two of three: the order follows the port, and among those that are tried more than five must be copies.
    again = Job(tmp_path / "more", {LION: [*images(web, 120, "same"), *images(web, 60)]})
    tally = again.fetch(margin=0)
    assert tally.errors.keys() == {"placeholder"}
    assert tally.ok == 18
    assert sum(row["error_class"] == "placeholder" for row in again.manifest()) == tally.errors["placeholder"] > 5


@pytest.mark.parametrize("name", ["photo_unavailable.gif", "photo_unavailable_l.png", "removed.png"])
def test_a_redirect_that_ends_at_a_placeholder_is_one(web, tmp_path, name):
    job = Job(tmp_path, {LION: [*images(web, 4, f"moved/{name}"), *images(web, 30)]})
    assert job.fetch(margin=9).errors == {"placeholder": 4}
    requests = len(web.requests())
    assert job.fetch(margin=9, out="again").errors == {"placeholder": 4}
    assert len(web.requests()) == requests
    assert files_below(tmp_path / "again") == files_below(tmp_path / "images")


def test_a_redirect_that_ends_anywhere_else_is_an_image(web, tmp_path):
    moved = [*images(web, 2, "moved/unavailable.jpg"), web.url("moved/photo.jpg/a"), web.url("moved/removed/b")]
    assert Job(tmp_path, {LION: moved}).fetch(margin=9).ok == 4


def test_excluded_images_are_neither_requested_nor_packed(web, tmp_path):
    urls = images(web, 60)
    job = Job(tmp_path, {LION: urls})
    job.fetch(margin=0)
    first, second, third = [row for row in job.manifest() if row["status"] == "ok"][:3]
    listed = tmp_path / "exclude.txt"
    listed.write_text(f"{first['url']}\n{second['sha256']}\n{third['key']} # by its key\n")
    requests = Counter(web.requests())
    tally = job.fetch(margin=0, options=replace(PATIENT, excluded=read_exclusions(listed)), out="after")
    assert tally.errors == {"excluded": 3}
    rows = {row["key"]: row for row in job.manifest(out="after")}
    for row in (first, second, third):
        assert rows[row["key"]]["error_class"] == "excluded"
        assert f"{row['key']}.jpg" not in job.members(out="after")
    assert len(job.members(out="after")) == 18
    kept = {row["key"] for row in job.manifest()} - {first["key"], second["key"], third["key"]}
    assert {key for key, row in rows.items() if row["status"] == "ok"} >= kept, "no other image changes its split"
    assert set((Counter(web.requests()) - requests).values()) == {1}, "only the replacements are requested"


def test_private_hosts_are_refused_and_not_cached(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 5)})
    tally = job.fetch(options=replace(PATIENT, allow_private_hosts=False))
    assert tally.errors == {"private_address": 5}
    assert web.requests() == []
    assert cached_keys(tmp_path) == set()
    assert job.fetch(out="again").ok == 5


def test_fetch_stops_if_all_addresses_are_private(web, tmp_path, caplog):
    options = replace(PATIENT, allow_private_hosts=False)
    Job(tmp_path / "short", {LION: images(web, 5)}).fetch(options=options)
    (warning,) = [message for message in caplog.messages if "allow_private_hosts: true" in message]
    assert warning.startswith(f"{web.base}/image/")
    job = Job(tmp_path / "long", {LION: images(web, 1500)})
    with pytest.raises(ParleyError, match=r"The first 200 URLs are all refused.*`allow_private_hosts: true`"):
        job.fetch(margin=99, options=options)
    assert web.requests() == []


def test_private_addresses_among_other_urls_are_counted(web, tmp_path):
    job = Job(tmp_path, {LION: [*images(web, 400), *(f"{number}.jpg" for number in range(40))]})
    tally = job.fetch(margin=99, options=replace(PATIENT, allow_private_hosts=False), root=tmp_path)
    assert tally.errors == {"private_address": 400, "missing": 40}


def test_opted_out_urls_are_requested_again_only_if_the_tag_is_ignored(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 4, "tagged/noai")})
    assert job.fetch().errors == {"opted_out": 4}
    assert job.fetch(out="again").errors == {"opted_out": 4}
    assert len(web.requests()) == 4
    assert job.fetch(out="otherwise", options=replace(PATIENT, obey_robots_tag=False)).ok == 4
    assert len(web.requests()) == 8


def test_a_dead_link_is_replaced_from_its_own_queue_and_no_other_image_changes(web, tmp_path):
    urls = images(web, 60, "mortal")
    job = Job(tmp_path, {LION: urls})
    job.fetch(margin=0, out="before", cache="a")
    reserves = job.reserves()
    dead = next(url for url in urls if image_key(url) == reserves["train"][4])
    get(Client(PATIENT), dead.replace("mortal", "kill"))
    job.fetch(margin=0, out="after", cache="b")
    rows = job.manifest(out="after")
    assert [row["key"] for row in rows] == reserves["train"][:13] + reserves["test"][:6]
    assert [row["url"] for row in rows if row["status"] == "failed"] == [dead]
    before, after = set(job.members(out="before")), set(job.members(out="after"))
    assert before - after == {f"{reserves['train'][4]}.jpg"}
    assert after - before == {f"{reserves['train'][12]}.jpg"}


def test_fill_is_independent_of_threads_and_kills(web, tmp_path):
    urls = images(web, 60, "mortal")
    job = Job(tmp_path, {LION: urls})
    reserves = job.reserves()
    for url in urls:
        if image_key(url) in reserves["test"][2:]:
            get(Client(PATIENT), url.replace("mortal", "kill"))
    job.fetch(margin=0.5, cache="a", out="one", options=replace(PATIENT, threads=1))
    job.fetch(margin=0.5, cache="b", out="many", options=replace(PATIENT, threads=16))
    script = [sys.executable, str(Path(__file__).with_name("fetch_process.py")), str(tmp_path), "4"]
    with subprocess.Popen(script) as process:
        until = time.monotonic() + 30
        while len(cached_keys(tmp_path)) < 40 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        process.kill()
    subprocess.run(script, check=True, timeout=60)
    for out in ("many", "images"):
        assert (tmp_path / "one/lion.tar").read_bytes() == (tmp_path / f"{out}/lion.tar").read_bytes()
        assert timeless(job.manifest(out="one")) == timeless(job.manifest(out=out))
    files = {name: tmp_path / name for name in ("splits", "funnel")}
    finalise_splits(tmp_path / "plan.tsv", {"lion": tmp_path / "images/lion.tsv"}, [], [LION], COUNTS, RULES, **files)
    splits = {part: [] for part in reserves}
    for row in read_table(tmp_path / "splits", ["key", "part"]):
        splits[row["part"]].append(row["key"])
    untried = sorted(reserves["train"][18:])
    assert splits == {"train": reserves["train"][:12], "test": [*reserves["test"][:2], *untried[:4]]}
    assert [row["key"] for row in job.manifest()] == [
        *(key for key in reserves["train"] if key in reserves["train"][:18] or key in untried[:7]),
        *reserves["test"],
    ]


def test_a_second_run_makes_no_request_and_the_same_files(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 30) + images(web, 10, "status/404"), HEN: images(web, 30, start=100)})
    job.fetch()
    first, requests = files_below(tmp_path / "images"), len(web.requests())
    assert set(first) == {"lion.tar", "lion.tsv", "hen.tar", "hen.tsv"}
    job.fetch(out="again")
    assert len(web.requests()) == requests
    assert files_below(tmp_path / "again") == first


def test_threads_do_not_change_the_files(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 40) + images(web, 20, "status/404")})
    job.fetch(out="one", cache="a", options=replace(PATIENT, threads=1))
    job.fetch(out="many", cache="b", options=replace(PATIENT, threads=16))
    assert (tmp_path / "one/lion.tar").read_bytes() == (tmp_path / "many/lion.tar").read_bytes()
    assert timeless(job.manifest(out="one")) == timeless(job.manifest(out="many"))


def test_cached_bytes_are_validated_again(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 20)})
    job.fetch()
    requests = len(web.requests())
    tally = job.fetch(out="again", options=replace(PATIENT, min_side=41))
    assert tally.errors == {"too_small": 20}
    assert len(web.requests()) == requests


def test_only_transient_failures_are_requested_again_and_only_with_retry_failed(web, tmp_path):
    urls = [web.url("flaky/3/503/a.jpg"), web.url("status/404/b.jpg"), web.url("html/c.jpg")]
    job = Job(tmp_path, {LION: urls})
    assert job.fetch().errors == {"server_error": 1, "not_found": 1, "html": 1}
    requests = Counter(web.requests())
    assert requests == {"flaky/3/503/a.jpg": 3, "status/404/b.jpg": 1, "html/c.jpg": 1}
    assert job.fetch(options=replace(PATIENT, retry_failed=False)).errors["server_error"] == 1
    assert Counter(web.requests()) == requests
    assert job.fetch().errors == {"not_found": 1, "html": 1}
    assert Counter(web.requests()) == requests + Counter({"flaky/3/503/a.jpg": 1})


@pytest.mark.parametrize(
    "finished", [12, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 3, 20, 30, 45))]
)
def test_a_rerun_after_a_kill_repeats_no_finished_image(web, tmp_path, finished):
    threads = 4
    job = Job(tmp_path, {LION: images(web, 40, "late/15"), HEN: images(web, 40, "late/15", start=100)})
    script = [sys.executable, str(Path(__file__).with_name("fetch_process.py")), str(tmp_path), str(threads)]
    with subprocess.Popen(script) as process:
        until = time.monotonic() + 30
        while len(cached_keys(tmp_path)) < finished and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
    kept = cached_keys(tmp_path)
    assert len(kept) >= finished
    subprocess.run(script, check=True, timeout=60)
    asked = Counter(image_key(web.url(path)) for path in web.requests())
    assert {asked[key] for key in kept} == {1}
    assert asked.total() - len(asked) <= threads
    job.fetch(cache="other", out="undisturbed")
    assert len(web.requests()) - asked.total() == len(asked)
    for name in ("lion", "hen"):
        assert (tmp_path / f"images/{name}.tar").read_bytes() == (tmp_path / f"undisturbed/{name}.tar").read_bytes()
        assert timeless(job.manifest(name)) == timeless(job.manifest(name, "undisturbed"))


def test_two_jobs_may_share_a_cache(web, tmp_path):
    Job(tmp_path, {LION: images(web, 40, "late/5")})
    script = [sys.executable, str(Path(__file__).with_name("fetch_process.py")), str(tmp_path), "4"]
    with subprocess.Popen([*script, "one"]) as first, subprocess.Popen([*script, "other"]) as second:
        assert (first.wait(60), second.wait(60)) == (0, 0)
    assert len(list((tmp_path / "cache").glob("*/*"))) == 27
    assert not list(tmp_path.rglob("*.part"))
    assert (tmp_path / "one/lion.tar").read_bytes() == (tmp_path / "other/lion.tar").read_bytes()


def test_images_that_become_nearly_uniform_are_counted_and_named(tmp_path, caplog):
    """Values of 8 bits stored in 16, as microscope software writes them."""
    for number in range(18):
        values = np.full((30, 30), 230 + number if number < 5 else 3000 * number)
        Image.fromarray(values.astype(np.uint16)).save(tmp_path / f"{number}.png")
    job = Job(tmp_path / "job", {LION: [f"{number}.png" for number in range(18)]})
    assert job.fetch(margin=0, root=tmp_path).ok == 18
    (told,) = [one.getMessage() for one in caplog.records if "nearly uniform" in one.getMessage()]
    assert told.startswith("5 images of more than 8 bits become nearly uniform because their values are below 1/16 ")
    assert " (such as " in told
    assert told.endswith("to exclude them, add sixteen_bit to fetch.refuse.")


def test_local_files_and_tar_members_are_read_below_the_root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for number in range(30):
        Image.new("RGB", (30, 30), (number, 0, 0)).save(root / f"{number}.png")
    with tarfile.open(root / "more.tar", "w") as tar:
        for number in range(10):
            Image.new("RGB", (30, 30), (0, number + 1, 0)).save(tmp_path / "one.png")
            tar.add(tmp_path / "one.png", f"{number}.png")
    entries = [f"{number}.png" for number in range(30)] + [f"more.tar!{number}.png" for number in range(10)]
    job = Job(tmp_path / "job", {LION: [*entries, "../job/plan.tsv"]})
    tally = job.fetch(margin=9, root=root)
    assert (tally.tried, tally.ok, tally.errors) == (41, 40, {"outside_root": 1})
    assert {row["http_status"] for row in job.manifest()} == {""}
    assert {Path(name).suffix for name in job.members()} == {".png"}
    assert not (tmp_path / "job" / "cache").exists()


def test_tar_headers_have_no_times_or_owners(web, tmp_path):
    job = Job(tmp_path, {LION: [*images(web, 10), web.url("format/GIF/P/a"), web.url("format/WEBP/RGB/b")]})
    job.fetch()
    with tarfile.open(tmp_path / "images/lion.tar") as tar:
        headers = tar.getmembers()
    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname, one.mode) for one in headers} == {
        (0, 0, 0, "", "", 0o644)
    }
    assert {Path(one.name).suffix for one in headers} == {".jpg", ".gif", ".webp"}


def test_a_plan_with_a_gap_is_refused_before_any_request(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 20), HEN: images(web, 20, start=20)})
    lines = (tmp_path / "plan.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "plan.tsv").write_text("".join(lines[:-2] + lines[-1:]))
    with pytest.raises(ParleyError, match="class 'hen', split test: the ranks have a gap"):
        job.fetch()
    assert web.requests() == []


@pytest.mark.parametrize("key", ["../../../outside", "../../../outside" + "x" * 16, "{0}/outside", "E" * 32, "0" * 31])
def test_an_invalid_key_is_never_used_as_a_file_name(web, tmp_path, key):
    job, key = Job(tmp_path / "a/b/job", {LION: images(web, 30)}), key.format(tmp_path)
    header, first, *rest = (job.folder / "plan.tsv").read_text().splitlines(keepends=True)
    own = first.split("\t")[1]
    (job.folder / "plan.tsv").write_text("".join([header, first.replace(own, key), *rest]))
    with pytest.raises(ParleyError, match="which is not a valid image key"):
        job.fetch()
    assert [path for path in tmp_path.rglob("*") if "outside" in path.name] == []
    assert not (job.folder / "images/lion.tar").exists()


def test_a_class_without_any_candidate_gets_an_empty_tar_and_manifest(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 20)})
    job.classes.append(HEN)
    job.fetch()
    with tarfile.open(tmp_path / "images/hen.tar") as tar:
        assert tar.getnames() == []
    assert (tmp_path / "images/hen.tsv").read_text() == "\t".join(MANIFEST_COLUMNS) + "\n"


def test_bytes_of_too_many_urls_are_a_placeholder_in_manifest_and_tar(web, tmp_path, caplog):
    root = tmp_path / "root"
    root.mkdir()
    for number in range(60):
        color = (0, 0, 0) if number % 3 == 0 else (number, 200, 10)
        Image.new("RGB", (40, 40), color).save(root / f"{number}.png")
    job = Job(root, {LION: [f"{number}.png" for number in range(60)]})
    tally = job.fetch(margin=0.0, root=root)
    rows = job.manifest()
    black = hashlib.sha256((root / "0.png").read_bytes()).hexdigest()
    placeholders = [row for row in rows if row["sha256"] == black]
    assert len(placeholders) > PATIENT.placeholder_repeats
    assert {(row["status"], row["error_class"], row["width"]) for row in placeholders} == {
        ("failed", "placeholder", "40")
    }
    good = [row for row in rows if row["status"] == "ok"]
    assert len(good) == 18  # Every split is still full.
    assert [name.partition(".")[0] for name in job.members()] == [row["key"] for row in good]
    assert (tally.tried, tally.ok, dict(tally.errors)) == (len(rows), 18, {"placeholder": len(placeholders)})
    assert f"SHA-256 {black}) were returned by {len(placeholders)} URLs" in caplog.text


def test_all_invalid_options_are_reported_before_any_request(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 20)})
    with pytest.raises(ParleyError) as error:
        job.fetch(options=FetchOptions(threads=0, read_timeout_s=-1, verify="maybe"))
    assert len(error.value.findings) == 3
    assert web.requests() == []


def test_the_manifest_reads_as_plain_tsv(web, tmp_path):
    job = Job(tmp_path, {LION: images(web, 20)})
    job.fetch()
    with (tmp_path / "images/lion.tsv").open(newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert {len(row) for row in rows} == {len(MANIFEST_COLUMNS)}
