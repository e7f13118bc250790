"""A disk that runs full while features are written, of whatever size it is: a sentence, and nothing left."""

from contextlib import ExitStack

import numpy as np
import pytest

from parley.errors import ParleyError
from parley.features.classfiles import Column, RowIdentity, writing_class_file


def write(paths):
    """Write files side by side, some rows at a time, as extraction does."""
    with ExitStack() as stack:
        columns = {"avgpool_512": Column((512,))}
        writers = [stack.enter_context(writing_class_file(path, columns, {"backbone": "x"})) for path in paths]
        for writer in writers:
            for start in range(0, 24, 8):
                numbers = range(start, start + 8)
                rows = [RowIdentity(f"{row:032x}", f"{row:032x}.png", f"{row:064x}") for row in numbers]
                writer.append(rows, {"avgpool_512": np.ones((8, 512), np.float32)})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("size_bytes", [4096, 8192, 20_000, 40_000, 70_000, 120_000, 200_000])
def test_a_full_disk_is_told_whenever_hdf5_finds_out(tmp_path, small_disk, size_bytes):
    folder = tmp_path / "disk"
    small_disk.mount(folder, size_bytes)
    paths = [folder / f"{name}.hdf5" for name in ("ant", "bee", "cat", "dog")]
    with pytest.raises(ParleyError, match=r"\.hdf5 cannot be written \(No space left on device\)"):
        write(paths)
    assert list(folder.iterdir()) == []
    small_disk.make_room(folder)
    write(paths)
