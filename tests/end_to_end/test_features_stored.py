"""Features of bytes seen before are not computed again, and an experiment may refer to them in place of a copy."""

import h5py
import numpy as np
import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def copied(project):
    """The tiny experiment, with copies of the features."""
    return project.folder / "results/tiny"


def test_an_experiment_by_reference_computes_no_features_and_plays_the_same_game(project, copied):
    features = {**TINY["features"], "gather": "reference"}
    config = project.write_config("referred", **{**TINY, "features": features})
    assert "extract_features_0000" not in project.planned(config)
    project.snakemake("--cores", "2", config=config)
    referred = project.folder / "results/referred"
    for part in ("train", "test", "ood"):
        with h5py.File(copied / f"{part}.hdf5") as one, h5py.File(referred / f"{part}.hdf5") as other:
            name = one.attrs["pooled"]
            assert other[name].is_virtual
            assert not one[name].is_virtual
            assert np.array_equal(one[name][:], other[name][:])
    for seed in (1, 2):
        messages = [path / f"runs/adaptive/{seed}/messages.hdf5" for path in (copied, referred)]
        with h5py.File(messages[0]) as one, h5py.File(messages[1]) as other:
            assert np.array_equal(one["Predictions"][:], other["Predictions"][:])


def test_another_image_set_computes_only_new_features(project, copied):
    more = {**TINY, "split": {"in": {"train": 7, "dev": 2, "test": 1}, "out": {"ood": 4}}}
    config = project.write_config("more", **more)
    out = project.snakemake("--cores", "2", "features", config=config)
    assert "have features from other image sets and are not computed again" in out
    with h5py.File(copied / "train.hdf5") as one, h5py.File(project.folder / "results/more/train.hdf5") as other:
        assert one.attrs["pooled"] == other.attrs["pooled"]
        before = dict(zip(one["Sha256"][:], one[one.attrs["pooled"]][:], strict=True))
        now = dict(zip(other["Sha256"][:], other[other.attrs["pooled"]][:], strict=True))
    shared = before.keys() & now.keys()
    assert shared
    assert all(np.array_equal(before[sha256], now[sha256]) for sha256 in shared)
