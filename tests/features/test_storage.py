import subprocess
import sys

import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.dataset.listing import image_key
from parley.features.storage import layer_shapes, read_features

RNG = np.random.default_rng(0)
POOLED, MAP, LOGITS = (
    RNG.normal(size=shape).astype(np.float32) for shape in ((5, 1, 512), (5, 1, 512, 2, 2), (5, 1, 10))
)


def write_original(path):
    """Write a file like the 2017 code: five datasets and no attributes."""
    with h5py.File(path, "w") as file:
        file["Target"] = np.array([2, 0, 1, 1, 0])
        file["Location"] = np.array([f"images/lion/{number}.jpg".encode() for number in range(5)])
        file["avgpool_512"], file["layer4_2"], file["fc"] = POOLED, MAP, LOGITS


def write_own(path):
    """Another network, its layers named by attributes only."""
    write_original(path)
    with h5py.File(path, "a") as file:
        for ours, theirs in (("features_512", "avgpool_512"), ("features", "layer4_2"), ("classifier", "fc")):
            file[ours] = file[theirs][:].astype(np.float16 if ours == "features" else np.float32)
            del file[theirs]
        file["Key"] = np.array([f"{number:032x}".encode() for number in range(5)])
        file.attrs.update({"pooled": "features_512", "map": "features", "logits": "classifier"})
        file.attrs["classes"] = '["lion", "Löwe", "okapi"]'


def test_a_file_of_the_original_is_read_by_its_names(tmp_path):
    write_original(tmp_path / "f.hdf5")
    for layer, values in (("pooled", POOLED), ("map", MAP), ("logits", LOGITS), ("fc", LOGITS)):
        rows = read_features(tmp_path / "f.hdf5", layer)
        np.testing.assert_array_equal(rows.features, values[:, 0])
        assert rows.features.dtype == np.float32
    assert rows.targets.tolist() == [2, 0, 1, 1, 0]
    assert rows.keys[3] == image_key("images/lion/3.jpg")
    assert rows.labels == []
    assert layer_shapes(tmp_path / "f.hdf5") == {"pooled": (512,), "map": (512, 2, 2), "logits": (10,)}


def test_roles_are_read_by_attributes(tmp_path):
    write_own(tmp_path / "f.hdf5")
    rows = read_features(tmp_path / "f.hdf5", "map")
    np.testing.assert_allclose(rows.features, MAP[:, 0], rtol=1e-3, atol=1e-6)
    assert rows.features.dtype == np.float32
    assert rows.keys[3] == f"{3:032x}"
    assert rows.labels == ["lion", "Löwe", "okapi"]


def test_text_locations_and_bare_vectors_are_read_too(tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file["Target"], file["avgpool_512"] = np.arange(5), POOLED[:, 0]
        file["Location"] = [f"löwe/{number}.jpg" for number in range(5)]
    rows = read_features(tmp_path / "f.hdf5", "pooled")
    assert rows.features.shape == (5, 512)
    assert rows.keys[0] == image_key("löwe/0.jpg")
    assert layer_shapes(tmp_path / "f.hdf5") == {"pooled": (512,)}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(name, values):
    def damage(path):
        with h5py.File(path, "a") as file:
            del file[name]
            if values is not None:
                file[name] = values

    return damage


def with_nan(path):
    with h5py.File(path, "a") as file:
        file["avgpool_512"][3, 0, 7] = np.nan


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "not a valid HDF5 file"),
        (lambda path: path.write_text("hello"), "not a valid HDF5 file"),
        (lambda path: path.unlink(), "does not exist"),
        (change("Target", None), "has no Target.*Target must contain its label id"),
        (change("Location", None), "has no Location.*and Location its name"),
        (change("avgpool_512", None), "has no avgpool_512.*Make it with this layer"),
        (change("Location", [b"one"]), "differ in their number of rows"),
        (change("avgpool_512", POOLED[:4]), "differ in their number of rows"),
        (change("avgpool_512", POOLED.astype(int)), "must be floats"),
        (change("avgpool_512", np.zeros((5, 2, 512), np.float32)), "must be floats"),
        (with_nan, "infinite values or NaN"),
    ],
)
def test_foreign_and_damaged_files_are_refused_by_name(tmp_path, damage, told):
    write_original(tmp_path / "f.hdf5")
    damage(tmp_path / "f.hdf5")
    with pytest.raises(ParleyError, match=told) as caught:
        read_features(tmp_path / "f.hdf5", "pooled")
    assert "f.hdf5" in str(caught.value)


def test_reading_imports_no_torch():
    code = "import sys, parley.features.storage; assert not {'torch', 'pandas', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
