"""Load files of tensors without running code from them, in memory bounded by what the files store."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor


def load_tensors(path: str | Path) -> Any:
    """Load a file of `torch.save` or safetensors on the CPU. Only tensors and plain values are unpickled.

    Raises
    ------
    Exception
        Of many types, as `torch.load` does; also if the file is compressed or damaged, or a tensor claims more values
        than are stored.
    """
    if Path(path).suffix == ".safetensors":
        return safetensors.torch.load_file(path, device="cpu")
    if zipfile.is_zipfile(path):
        _check_archive(path)
    values = torch.load(path, map_location="cpu", weights_only=True)
    for tensor in _tensors_of(values):
        claimed, stored = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        if claimed > stored:
            raise ValueError(f"a tensor of shape {tuple(tensor.shape)} claims {claimed} bytes, but {stored} are stored")
    return values


def _check_archive(path: str | Path) -> None:
    """Raise `ValueError` if a ZIP archive is damaged or compressed. `torch.load` checks no checksums."""
    with zipfile.ZipFile(path) as archive:
        if packed := [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]:
            raise ValueError(f"its entry {packed[0]} is compressed, which torch never does")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"its entry {damaged} does not match the checksum")


def _tensors_of(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested dictionaries and lists, each container once."""
    waiting, seen = [value], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, (Mapping, list, tuple)) and id(one) not in seen:
            seen.add(id(one))
            waiting += one.values() if isinstance(one, Mapping) else one
