"""Load files of tensors without running code from them, in memory bounded by what the files store."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02"
"""First bytes of files of `torch.save`, today and before version 1.6."""
_LARGEST_HEADER = 100_000_000
"""Largest header that safetensors reads; other files begin with larger numbers."""


class CutOffError(ValueError):
    """The file is empty, or ends before its content does."""


def load_tensors(path: str | Path) -> Any:
    """Load a file of `torch.save` or safetensors on the CPU. Only tensors and plain values are unpickled.

    Raises
    ------
    CutOffError
        If the file is incomplete.
    Exception
        Of many types, as `torch.load` does; also if the file is compressed or damaged, or a tensor claims more values
        than are stored.
    """
    size = Path(path).stat().st_size
    cut_off = CutOffError(f"it is cut off at byte {size}" if size else "it is empty")
    if Path(path).suffix == ".safetensors":
        if size < _safetensors_size(Path(path)):
            raise cut_off
        return safetensors.torch.load_file(path, device="cpu")
    if zipfile.is_zipfile(path):
        _check_archive(path)
    elif _begins_with(path, _ZIP):
        raise cut_off
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, IndexError, RuntimeError) as error:
        is_of_end = not isinstance(error, RuntimeError) or "unexpected EOF" in str(error)
        if is_of_end and _begins_with(path, _PICKLE):
            raise cut_off from error
        raise
    for tensor in _tensors_of(values):
        claimed, stored = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        if claimed > stored:
            raise ValueError(f"a tensor of shape {tuple(tensor.shape)} claims {claimed} bytes, but {stored} are stored")
    return values


def _begins_with(path: str | Path, signature: bytes) -> bool:
    """Return whether a file begins with a signature, or is a beginning of it."""
    with Path(path).open("rb") as stream:
        return signature.startswith(stream.read(len(signature)))


def _safetensors_size(path: Path) -> int:
    """Return the size that a safetensors file must have according to its header, as far as the header is readable."""
    with path.open("rb") as stream:
        first = stream.read(8)
        header = int.from_bytes(first, "little")
        if len(first) < 8 or path.stat().st_size < header + 8 <= _LARGEST_HEADER:
            return header + 8
        try:
            entries = json.loads(stream.read(header))
            return (
                header
                + 8
                + max((one["data_offsets"][1] for one in entries.values() if "data_offsets" in one), default=0)
            )
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):  # safetensors reports it.
            return 0


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
