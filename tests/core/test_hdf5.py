"""HDF5 that reaches into other files, or claims more than it holds."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
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


def external_storage(file, secret):
    file.create_dataset("avgpool_512", (ROWS, 1, 8), np.float32, external=[(str(secret), 0, ROWS * 32)])


@pytest.mark.parametrize("reach", [external_link, soft_link_to_an_external_one, external_storage])
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


def test_what_gzip_packs_well_is_read(part):
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
    with pytest.raises(ParleyError, match="avgpool_512 claims 24000 values, but the files that it refers to store 24"):
        read_features(part, "pooled")


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
def test_hollow_files_are_told_within_little_memory(part):
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


def test_a_heap_in_which_hdf5_would_turn_for_ever_is_refused(tmp_path):
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
