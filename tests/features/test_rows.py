"""Rows of a layer, in memory and from every kind of file, equal what h5py reads."""

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.features import rows as rows_module
from parley.features.rows import InMemory, OnDisk, Read, open_rows

COUNT, ROW = 9, (3, 2, 2)


def values(kind="f4"):
    return np.random.default_rng(3).normal(size=(COUNT, 1, *ROW)).astype(kind)


def write(path, kind="f4", **how):
    with h5py.File(path, "w") as file:
        file.create_dataset("layer", data=values(kind), **how)


def virtual(path):
    write(path.with_suffix(".other"), chunks=(1, 1, *ROW))
    layout = h5py.VirtualLayout((COUNT, 1, *ROW), "f4")
    layout[:] = h5py.VirtualSource(path.with_suffix(".other"), "layer", (COUNT, 1, *ROW))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("layer", layout)


KINDS = {
    "contiguous": (OnDisk, {}),
    "a chunk a row": (OnDisk, {"chunks": (1, 1, *ROW)}),
    "half precision": (OnDisk, {"kind": "f2", "chunks": (1, 1, *ROW)}),
    "double precision": (OnDisk, {"kind": "f8"}),
    "the other byte order": (OnDisk, {"kind": ">f4"}),
    "rows share a chunk": (Read, {"chunks": (4, 1, *ROW)}),
    "compressed": (Read, {"chunks": (1, 1, *ROW), "compression": "gzip"}),
    "checksums": (Read, {"chunks": (1, 1, *ROW), "fletcher32": True}),
}


@pytest.fixture
def from_disk(monkeypatch):
    monkeypatch.setattr(rows_module, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(rows_module, "READ_AT_ONCE_BYTES", 100)  # two rows


def check(found, kind="f4"):
    expected = torch.from_numpy(values(kind).astype(np.float32)[:, 0])
    assert found.shape == (COUNT, *ROW)
    assert len(found) == COUNT
    wanted = torch.tensor([[4, 0, 4], [8, 1, 7]])
    taken = found.take(wanted)
    assert taken.dtype == torch.float32
    assert torch.equal(taken, expected[wanted])
    assert torch.equal(torch.cat(list(found.pieces())), expected)


@pytest.mark.parametrize("name", KINDS)
def test_rows_of_a_file_too_large_for_memory(tmp_path, name, from_disk):
    kind, how = KINDS[name]
    write(tmp_path / "a.hdf5", **how)
    with h5py.File(tmp_path / "a.hdf5") as file:
        found = open_rows(tmp_path / "a.hdf5", file["layer"], ROW)
    assert type(found) is kind
    check(found, how.get("kind", "f4"))


@pytest.mark.parametrize("name", KINDS)
def test_rows_in_memory(tmp_path, name):
    _, how = KINDS[name]
    write(tmp_path / "a.hdf5", **how)
    with h5py.File(tmp_path / "a.hdf5") as file:
        found = open_rows(tmp_path / "a.hdf5", file["layer"], ROW)
    assert type(found) is InMemory
    # Half precision is kept, so that large layers fit.
    assert found.values.dtype == {"f2": torch.float16}.get(how.get("kind"), torch.float32)
    check(found, how.get("kind", "f4"))


def test_rows_of_virtual_datasets(tmp_path, from_disk):
    virtual(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        found = open_rows(tmp_path / "a.hdf5", file["layer"], ROW)
    assert type(found) is Read
    check(found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, COUNT - 1), max_size=12))
def test_rows_in_any_order_with_repetitions(tmp_path, from_disk, wanted):
    path = tmp_path / "a.hdf5"
    if not path.exists():
        write(path, chunks=(4, 1, *ROW))
    with h5py.File(path) as file:
        found = open_rows(path, file["layer"], ROW)
    taken = found.take(torch.tensor(wanted, dtype=torch.int64))
    assert torch.equal(taken, torch.from_numpy(values()[:, 0][wanted].reshape(-1, *ROW)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("memory", [True, False])
def test_values_that_are_not_finite_are_an_error(tmp_path, monkeypatch, bad, memory):
    if not memory:
        monkeypatch.setattr(rows_module, "IN_MEMORY_BYTES", 0)
    write(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file["layer"][8, 0, 2, 1, 1] = bad
    with (
        h5py.File(tmp_path / "a.hdf5") as file,
        pytest.raises(ParleyError, match=r"layer contains -?(nan|inf) in row 8 \(counted from 0\); every feature"),
    ):
        open_rows(tmp_path / "a.hdf5", file["layer"], ROW)
