"""A disk of any size that becomes full while features are written: an error message, and no file is left.

Each attempt is a process of its own, like a job: once HDF5 has failed to close a file, it fails, or crashes, on
whatever comes after it in that process.
"""

import subprocess
import sys

import pytest

WRITE = """
import sys
from contextlib import ExitStack
import numpy as np
from parley.core.errors import ParleyError
from parley.features.class_files import Column, RowIdentity, writing_class_file
sys.unraisablehook = lambda trouble: None  # HDF5 fails again for each object that is still open.
try:
    # All files in turn, some rows at a time, as extraction does.
    with ExitStack() as stack:
        columns = {"avgpool_512": Column((512,))}
        writers = [stack.enter_context(writing_class_file(path, columns, {"backbone": "x"})) for path in sys.argv[1:]]
        for writer in writers:
            for start in range(0, 24, 8):
                numbers = range(start, start + 8)
                rows = [RowIdentity(f"{row:032x}", f"{row:032x}.png", f"{row:064x}") for row in numbers]
                writer.append(rows, {"avgpool_512": np.ones((8, 512), np.float32)})
    print("written", flush=True)
except ParleyError as error:
    print(error, flush=True)
"""


def told(paths):
    """The output of a process that writes files."""
    command = [sys.executable, "-c", WRITE, *map(str, paths)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=False).stdout


@pytest.mark.parametrize("size_bytes", [4096, 8192, 20_000, 40_000, 70_000, 120_000, 200_000])
def test_a_full_disk_is_reported_whenever_hdf5_detects_it(tmp_path, small_disk, size_bytes):
    folder = tmp_path / "disk"
    small_disk.mount(folder, size_bytes)
    paths = [folder / f"{name}.hdf5" for name in ("ant", "bee", "cat", "dog")]
    assert ".hdf5 cannot be written (No space left on device)" in told(paths)
    assert list(folder.iterdir()) == []
    small_disk.make_room(folder)
    assert told(paths) == "written\n"
    assert len(list(folder.iterdir())) == len(paths)
