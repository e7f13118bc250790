"""Features as tensors and a frame: the same rows, in the same order, as the file's."""

import h5py
import numpy as np

from parley.dataset.keys import image_key
from parley.features import load


def test_tensors_and_frame_are_the_files_rows(tmp_path):
    draw = np.random.default_rng(1)
    pooled = draw.normal(size=(6, 1, 512)).astype(np.float32)
    with h5py.File(tmp_path / "test.hdf5", "w") as file:
        file["Target"] = np.array([2, 0, 1, 1, 0, 2])
        file["Location"] = np.array([f"c/{row}.jpg".encode() for row in range(6)])
        file["avgpool_512"] = pooled
        file["layer4_2"] = draw.normal(size=(6, 1, 512, 2, 2)).astype(np.float32)
        file["fc"] = draw.normal(size=(6, 1, 1000)).astype(np.float32)
    loaded = load(tmp_path / "test.hdf5")
    assert {role: tuple(tensor.shape) for role, tensor in loaded.tensors.items()} == {
        "pooled": (6, 512),
        "map": (6, 512, 2, 2),
        "logits": (6, 1000),
    }
    assert np.array_equal(loaded.tensors["pooled"].numpy(), pooled[:, 0])
    assert loaded.frame["target"].tolist() == [2, 0, 1, 1, 0, 2]
    assert loaded.frame["key"].tolist() == [image_key(f"c/{row}.jpg") for row in range(6)]
