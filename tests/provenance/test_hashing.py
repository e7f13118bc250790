"""A file is hashed again only if it may have changed."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made_history import record, write

from parley.core.files import sha256_of
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import Records, write_record


def moment(seconds=0.0):
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC).isoformat()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A recorded file whose content changed but not its size, date or inode: the hash shows whether it was read."""
    monkeypatch.chdir(tmp_path)
    path = Path("results/e/a.txt")
    write(path, "one")
    write_record(record("make", {}, {"a": [str(path)]}, ended=moment()))
    was, stat = sha256_of(path), path.stat()
    with path.open("r+") as stream:
        stream.write("two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return path, was


def hash_of(path):
    return Hashes(Records()).of(str(path)).sha256


def test_the_output_of_a_job_is_not_read_again(made):
    path, was = made
    assert hash_of(path) == was != sha256_of(path)


def test_hash_ignores_a_new_date(made):
    path, was = made
    os.utime(path)
    assert hash_of(path) == was


def test_a_later_date_a_new_file_or_another_size_is_read(made):
    path, was = made
    later = path.stat().st_mtime + 3600
    os.utime(path, (later, later))
    assert hash_of(path) == sha256_of(path) != was
    other = path.with_name("b.txt")
    other.write_text("six")
    other.replace(path)
    assert hash_of(path) == sha256_of(path) != was
    path.write_text("longer")
    assert hash_of(path) == sha256_of(path)


def test_an_earlier_date_is_read(made):
    path, was = made
    os.utime(path, (1, 1))
    assert hash_of(path) == sha256_of(path) != was


def test_the_cache_file_keeps_only_hashes_that_were_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        Path(name).write_text(name)
    first = Hashes(None, "memory.json")
    was = [first.of(name).sha256 for name in ("a.txt", "b.txt")]
    first.save()
    stat = Path("a.txt").stat()
    Path("a.txt").write_text("other")
    os.utime("a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    second = Hashes(None, "memory.json")
    assert second.of("a.txt").sha256 == was[0]
    second.save()
    assert "b.txt" not in Path("memory.json").read_text()
    os.utime("a.txt", ns=(1, 1))
    assert Hashes(None, "memory.json").of("a.txt").sha256 == sha256_of("a.txt")


def test_a_folder_is_listed_as_its_files_without_hidden_ones(tmp_path):
    for name in ("f/b", "f/a/c", "f/.records/x", "f/.y"):
        write(tmp_path / name, "")
    assert list(files_of(tmp_path / "f")) == [str(tmp_path / "f/b"), str(tmp_path / "f/a/c")]
    assert list(files_of(tmp_path / "f/b")) == [str(tmp_path / "f/b")]
