"""Tensor files that are cut off are distinguished from files of other kinds."""

import pytest
import safetensors.torch
import torch

from parley.core.tensor_files import CutOffError, load_tensors

TENSORS = {"a": torch.arange(500.0), "b": torch.zeros(3, 4)}
WRITERS = {
    "today.pt": torch.save,
    "before.pth": lambda tensors, path: torch.save(tensors, path, _use_new_zipfile_serialization=False),
    "some.safetensors": safetensors.torch.save_file,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_cut_off_anywhere_is_reported_as_cut_off(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](TENSORS, path)
    assert load_tensors(path)["a"].tolist() == TENSORS["a"].tolist()
    content = path.read_bytes()
    for length in (1, 2, 3, 4, 7, 8, 9, 10, 100, len(content) // 2, len(content) - 23, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CutOffError, match=f"^it is cut off at byte {length}$"):
            load_tensors(path)
    path.write_bytes(b"")
    with pytest.raises(CutOffError, match=r"^it is empty$"):
        load_tensors(path)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><p>Log in",
        b"hello",
        b"version https://git-lfs.github.com",
        b"\x89HDF\r\n",
        (50 << 30).to_bytes(8, "little"),
        b"\xff" * 8,
    ],
)
def test_other_files_are_not_reported_as_cut_off(tmp_path, suffix, content):
    path = tmp_path / f"other.{suffix}"
    path.write_bytes(content * 9)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of many types
        load_tensors(path)
    assert not isinstance(caught.value, (CutOffError, MemoryError, OverflowError))
