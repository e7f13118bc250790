"""Load files of tensors without running code from them, in memory bounded by what the files store."""

import hashlib
import json
import pickle  # Needed only for pickle.UnpicklingError.  # nosec B403
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from parley.core.files import mistaken_for

_MOST_NAMES = 3
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
        if header > _LARGEST_HEADER:
            return 0  # safetensors reports it.
        text = stream.read(header)
    if len(first) < 8 or len(text) < header:
        return header + 8
    try:
        ends = [one["data_offsets"][1] for one in json.loads(text).values() if "data_offsets" in one]
        return header + 8 + max(ends, default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):  # safetensors reports it.
        return 0


def why_unreadable(error: Exception, path: str | Path) -> str:
    """Return a one-line explanation of an error of `load_tensors`."""
    if isinstance(error, CutOffError):
        return str(error)
    kind, _ = mistaken_for(path)
    is_safetensors = Path(path).suffix == ".safetensors"
    if kind and (is_safetensors or not kind.endswith(("ZIP archive", "pickle"))):
        return f"it is {kind}"
    if isinstance(error, pickle.UnpicklingError):  # torch's own message suggests unsafe loading.
        return "it was not written by torch.save, or contains code or objects, which Parley never loads"
    # Other bytes cause errors of many types in a pickle.
    if not is_safetensors and not isinstance(error, (ValueError, RuntimeError, OSError)):
        return "it was not written by torch.save, or is damaged"
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]


def misfit(wanted: Mapping[str, Tensor], loaded: Any) -> str:
    """Describe how a loaded object differs from a network's state dict; return an empty string if it fits.

    Parameters
    ----------
    wanted
        The network's state dict.
    loaded
        The object in a file. Floats of any precision fit floats.
    """
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        return "it is not a state dict of names and tensors"
    both = [name for name in wanted if name in loaded]
    kinds = {
        "it lacks": [name for name in wanted if name not in loaded],
        "it also has": [str(name) for name in loaded if name not in wanted],
        "it has the wrong shape for": [
            f"{name} ({tuple(loaded[name].shape)}, not {tuple(wanted[name].shape)})"
            for name in both
            if not loaded[name].is_nested and loaded[name].shape != wanted[name].shape
        ],
        "it does not store floats in": [
            f"{name} ({_type_of(loaded[name])})"
            for name in both
            if wanted[name].is_floating_point() and not is_floats(loaded[name])
        ],
    }
    return "; ".join(f"{what} {_first(names)}" for what, names in kinds.items() if names)


def is_floats(tensor: Any) -> bool:
    """Return whether a value is an ordinary tensor of floats: not sparse, nested, quantised or without values."""
    if not isinstance(tensor, Tensor):
        return False
    is_plain = tensor.layout == torch.strided and not (tensor.is_nested or tensor.is_quantized or tensor.is_meta)
    return is_plain and tensor.is_floating_point()


def _type_of(tensor: Tensor) -> str:
    kind = "nested " if tensor.is_nested else "" if tensor.layout == torch.strided else "sparse "
    return f"{kind}{str(tensor.dtype).removeprefix('torch.')}{' without values' if tensor.is_meta else ''}"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


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


def parameters_sha256(network: nn.Module) -> str:
    """Return the SHA-256 of a network's parameters and buffers: names, shapes, types and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
