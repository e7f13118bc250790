"""HDF5 that reaches into other files, or claims more than it holds."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.core.hdf5 import opened
from parley.features.storage import open_features, read_features

ROWS = 3


@pytest.fixture
def part(tmp_path):
    """A part without its layer."""
    path = tmp_path / "part.hdf5"
    with h5py.File(path, "w") as file:
        file["Target"], file["Location"] = np.arange(ROWS), np.array([b"ant/1.png"] * ROWS)
    return path


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.hdf5"
    with h5py.File(path, "w") as file:
        file["x"] = np.ones((ROWS, 1, 8), np.float32)
    return path


def external_link(file, secret):
    file["avgpool_512"] = h5py.ExternalLink(str(secret), "x")


def soft_link_to_an_external_one(file, secret):
    file.create_group("inner")["x"] = h5py.ExternalLink(str(secret), "x")
    file["avgpool_512"] = h5py.SoftLink("/inner/x")


def link_through_others(file, secret):
    os.mkfifo(secret.with_suffix(".pipe"))
    file.create_group("inner")[".."] = h5py.ExternalLink(str(secret.with_suffix(".pipe")), "x")
    file["outer"] = h5py.SoftLink("inner")
    file["inner/x"] = h5py.SoftLink("../x")  # HDF5 has no parent folders; this is a name.
    file["avgpool_512"] = h5py.SoftLink("/outer/./x")


def external_storage(file, secret):
    file.create_dataset("avgpool_512", (ROWS, 1, 8), np.float32, external=[(str(secret), 0, ROWS * 32)])


@pytest.mark.parametrize("reach", [external_link, soft_link_to_an_external_one, link_through_others, external_storage])
def test_nothing_is_read_from_another_file(part, secret, reach):
    with h5py.File(part, "r+") as file:
        reach(file, secret)
    for read in (read_features, open_features):
        with pytest.raises(ParleyError, match="avgpool_512 is in another file"):
            read(part, "pooled")


@pytest.mark.parametrize("how", [{}, {"chunks": (1, 1, 512)}, {"chunks": (1, 1, 512), "compression": "gzip"}])
def test_a_dataset_without_its_data_is_refused_however_large_it_says_it_is(part, how):
    with h5py.File(part, "r+") as file:
        file.create_dataset("avgpool_512", (1 << 30, 1, 512), np.float32, **how)
    with pytest.raises(ParleyError, match=r"claims 2199023255552 bytes, but only 0 are stored"):
        read_features(part, "pooled")


def test_well_compressed_datasets_are_read(part):
    with h5py.File(part, "r+") as file:
        file.create_dataset("avgpool_512", data=np.zeros((ROWS, 1, 1 << 18), np.float32), compression="gzip")
    assert read_features(part, "pooled").features.shape == (ROWS, 1 << 18)


@pytest.mark.parametrize("names", [["x"], ["x", "//x", "./x"], ["x", "y"], ["x", "z"]])
def test_a_stored_value_is_not_claimed_twice(part, secret, names):
    with h5py.File(secret, "a") as file:
        file["y"], file["z"] = file["x"], h5py.SoftLink("/x")
    for often in (1, 1000):
        layout = h5py.VirtualLayout((ROWS * often, 1, 8), np.float32)
        for index in range(often):
            source = h5py.VirtualSource(str(secret), names[index % len(names)], (ROWS, 1, 8))
            layout[index * ROWS : (index + 1) * ROWS] = source
        with h5py.File(part, "a") as file:
            file.pop("avgpool_512", None)
            file.create_virtual_dataset("avgpool_512", layout)
        if often == 1:
            assert read_features(part, "pooled").features.shape == (ROWS, 8)
    with pytest.raises(ParleyError, match=r"avgpool_512 claims 24000 values, but the datasets .* store 24"):
        read_features(part, "pooled")


def refer(path, name, source, source_name):
    """Rename a dataset to ``stored``, and replace it by a reference to a dataset of the file `source`."""
    with h5py.File(path, "a") as file:
        layout = h5py.VirtualLayout(file[name].shape, file[name].dtype)
        file.move(name, "stored")
        layout[:] = h5py.VirtualSource(source, source_name, layout.shape)
        file.create_virtual_dataset(name, layout)


READ_ALL = """
import sys
from parley.core.errors import ParleyError
from parley.features.class_files import reading_class_file
from parley.features.storage import open_features, read_features, read_images
from parley.metrics.conversations import read_conversations
from parley.text.word_vectors import read_words
features = [lambda path: read_features(path, "pooled"), lambda path: open_features(path, "pooled"), read_images]
for path in sys.argv[1:]:
    for read in (*features, read_conversations, read_words, lambda path: reading_class_file(path).__enter__()):
        try:
            read(path)
        except ParleyError as error:
            print(error)
"""
COLUMNS = ("Target", "Location", "Key", "avgpool_512", "Communication", "word", "vector", "found", "Sha256")


@pytest.fixture
def every(part):
    """A file with a dataset for each reader."""
    with h5py.File(part, "a") as file:
        for name in set(COLUMNS) - set(file):
            file[name] = np.ones((ROWS, 1, 8), np.float32) if name != "Key" else np.array([b"1", b"2", b"3"])
    return part


@pytest.mark.slow
def test_a_dataset_that_refers_to_itself_is_refused_by_every_reader(every, tmp_path):
    paths = []
    for name in COLUMNS:
        paths += [tmp_path / f"{name}-{how}.hdf5" for how in ("self", "named", "pair")]
        for path, source in zip(paths[-3:], (".", f"{name}-named.hdf5", "."), strict=True):
            shutil.copy(every, path)
            refer(path, name, source, "other" if "pair" in path.name else name)
        with h5py.File(paths[-1], "a") as file:
            layout = h5py.VirtualLayout(file[name].shape, file[name].dtype)
            layout[:] = h5py.VirtualSource(".", name, layout.shape)
            file.create_virtual_dataset("other", layout)
    # In a separate process, because HDF5 may crash on such a dataset.
    command = [sys.executable, "-c", READ_ALL, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    told = done.stdout.splitlines()
    assert len(told) == 6 * len(paths)
    assert all("which does not store it" in line for line in told)


@pytest.mark.parametrize("name", ["Target", "Location", "avgpool_512"])
@pytest.mark.parametrize("source", [".", "every", "secret.hdf5"])
def test_a_dataset_may_refer_to_a_stored_dataset(every, tmp_path, name, source):
    plain = read_features(every, "pooled")
    shutil.copy(every, tmp_path / "secret.hdf5")
    source = every.name if source == "every" else source
    refer(every, name, source, name if source == "secret.hdf5" else "stored")
    for rows in (read_features(every, "pooled"), open_features(every, "pooled")):
        assert len(rows[0]) == ROWS
    assert read_features(every, "pooled").locations == plain.locations


@pytest.mark.parametrize("name", ["Target", "Location", "Key", "avgpool_512"])
def test_a_dataset_that_refers_to_a_missing_file_is_refused(every, name):
    refer(every, name, "gone.hdf5", name)
    with pytest.raises(ParleyError, match=f"{name} refers to the missing file .*gone.hdf5; restore"):
        read_features(every, "pooled")


@pytest.mark.parametrize("name", ["Target", "Location", "avgpool_512"])
@pytest.mark.parametrize(
    ("how", "rows", "told"),
    [
        ({}, 0, "has no values"),
        ({"chunks": (1,)}, 0, "has no values"),
        ({"chunks": (1,)}, 2, r"is incomplete \(2 of 3 chunks\)"),
        ({"chunks": (2,), "compression": "gzip"}, 2, r"is incomplete \(1 of 2 chunks\)"),
        ({"chunks": (2,), "fillvalue": 3}, 2, r"is incomplete \(1 of 2 chunks\)"),
    ],
)
def test_datasets_with_unwritten_values_are_refused(every, name, how, rows, told):
    with h5py.File(every, "a") as file:
        values = file[name][:]
        del file[name]
        how = how | {"chunks": (*how["chunks"], *values.shape[1:])} if how else how
        how = {key: value for key, value in how.items() if key != "fillvalue" or name != "Location"}
        dataset = file.create_dataset(name, values.shape, values.dtype, **how)
        if rows:
            dataset[:rows] = values[:rows]
    for read in (read_features, open_features):
        with pytest.raises(ParleyError, match=f"{name} {told}, probably because writing was interrupted; make"):
            read(every, "pooled")


READER = """
import resource, sys
from parley.features.storage import read_features
from parley.metrics.conversations import read_conversations
from parley.text.word_vectors import read_words
from parley.core.errors import ParleyError
most = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (256 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for read in (lambda path: read_features(path, "pooled"), read_conversations, read_words):
    try:
        read(sys.argv[1])
    except ParleyError as error:
        print("told:", error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory is set as Linux has it")
def test_hollow_files_are_reported_within_little_memory(part):
    with h5py.File(part, "r+") as file:
        for name in ("avgpool_512", "Communication", "Predictions", "word", "vector", "found"):
            file.create_dataset(name, (1 << 28, 1, 4), np.float32, chunks=(1 << 10, 1, 4))
    done = subprocess.run([sys.executable, "-c", READER, str(part)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("told:") == 3


ENDLESS = """
import sys
from parley.core.hdf5 import opened
from parley.core.errors import ParleyError
try:
    with opened(sys.argv[1], "file of words") as file:
        print(file.attrs["note"])
except ParleyError as error:
    print(error)
"""


def test_a_heap_that_would_loop_forever_is_refused(tmp_path):
    path = tmp_path / "words.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["note"] = "of any length"
    content = bytearray(path.read_bytes())

    def told():
        path.write_bytes(content)
        # In a process of its own: nothing else ends what never comes back out of a library.
        command = [sys.executable, "-c", ENDLESS, str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    assert told() == "of any length\n"
    heap = content.index(b"GCOL")
    item = heap + 16
    assert content[item : item + 2] == b"\1\0"
    room = item + 16 + -(-int.from_bytes(content[item + 8 : item + 16], "little") // 8) * 8
    assert content[room : room + 2] == b"\0\0"
    content[room + 8 : room + 16] = bytes(8)
    assert f"is not a valid file of words (the global heap at byte {heap} has free space of size 0)" in told()


@pytest.mark.parametrize("length", [1, 3, 8, 20, 47, 100, 900])
def test_a_file_cut_off_anywhere_is_reported_as_cut_off(tmp_path, length):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["x"] = np.arange(500.0)
    content = (tmp_path / "a.hdf5").read_bytes()
    (tmp_path / "a.hdf5").write_bytes(content[:length])
    with pytest.raises(ParleyError, match=f"it is cut off at byte {length}; "), opened(tmp_path / "a.hdf5", "file"):
        pass


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.txt/b.hdf5", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_path_that_cannot_be_opened_is_reported(tmp_path, name, reason):
    (tmp_path / "a.txt").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ParleyError, match=rf"{name} cannot be read \({reason}\)"), opened(tmp_path / name, "file"):
        pass
