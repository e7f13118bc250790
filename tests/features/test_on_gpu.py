"""Features on a GPU equal those on a CPU up to float32 rounding. Skipped without a GPU."""

import h5py
import numpy as np
import pytest
import torch

from parley.features.extract import extract_classes
from parley.features.options import feature_options

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


@pytest.mark.parametrize("engine", ["eager", "fused", "compiled"])
def test_gpu_features_equal_cpu_features(tmp_path, picture, tar_of, engine):
    tar_of(tmp_path / "a.tar", [picture(number) for number in range(10)])
    options = feature_options("resnet34", "random", 4, "original")
    found = {}
    for device, how in (("cpu", "eager"), ("cuda", engine)):
        out = tmp_path / f"{device}.hdf5"
        extract_classes([tmp_path / "a.tar"], [out], options, tmp_path / "weights", device=device, engine=how)
        with h5py.File(out) as file:
            found[device] = {role: file[file.attrs[role]][:] for role in options.layers}
    for role, expected in found["cpu"].items():
        assert np.abs(found["cuda"][role] - expected).max() <= 1e-5 * np.abs(expected).max(), role


def test_an_images_features_do_not_depend_on_other_images(tmp_path, picture, tar_of):
    options = feature_options("resnet18", "random", 4, "original")
    for name, numbers in (("few", [3]), ("many", range(10))):
        tar, out = tmp_path / f"{name}.tar", tmp_path / f"{name}.hdf5"
        tar_of(tar, [picture(number) for number in numbers])
        extract_classes([tar], [out], options, tmp_path / "weights", device="cuda", batch_size=8)
    with h5py.File(tmp_path / "few.hdf5") as few, h5py.File(tmp_path / "many.hdf5") as many:
        for role in options.layers:
            layer = few.attrs[role]
            assert (few[layer][0] == many[layer][3]).all(), role
