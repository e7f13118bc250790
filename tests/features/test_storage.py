import subprocess
import sys

import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.dataset.listing import image_key
from parley.features.storage import (
    examine_features,
    layer_shapes,
    open_features,
    read_features,
    read_images,
    same_images,
)

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


def with_value(value, kind=np.float32):
    features = POOLED.astype(kind)
    features[3, 0, 7] = value
    return change("avgpool_512", features)


def labels(row_3, kind=None):
    return change("Target", np.array([2, 0, 1, row_3, 0], kind))


def link(name, target):
    def damage(path):
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = target

    return damage


def group(name):
    def damage(path):
        with h5py.File(path, "a") as file:
            del file[name]
            file.create_group(name)["x"] = POOLED

    return damage


def lost_source(path):
    layout = h5py.VirtualLayout(POOLED.shape, np.float32)
    layout[:] = h5py.VirtualSource("gone.hdf5", "x", POOLED.shape)
    with h5py.File(path, "a") as file:
        del file["avgpool_512"]
        file.create_virtual_dataset("avgpool_512", layout)


def content(value):
    return lambda path: path.write_bytes(value)


ROW_3 = r"in row 3 \(counted from 0"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, r"not a valid HDF5 file of features: it is cut off at byte \d+; make or download it again"),
        (
            content(b"hello"),
            r"not a valid HDF5 file of features \(.*signature not found\)\); make or download it again",
        ),
        (content(b""), "it is empty; make"),
        (content(b"\n<!DOCTYPE html><html>login"), "it is an HTML page, such as a login or error page; make"),
        (content(b"version https://git-lfs.github.com/spec/v1\noid"), "a Git LFS pointer; run `git lfs pull`"),
        (content(b"\x1f\x8b\x08"), "it is compressed; decompress it"),
        (content(b"PK\3\4"), "it is a ZIP archive"),
        (content(b"\x93NUMPY\1\0"), "it is a NumPy array"),
        (content(b"MATLAB 5.0 MAT-file"), "a MATLAB file of version 5; save it with -v7.3"),
        (lambda path: path.unlink(), "does not exist"),
        (change("Target", None), "has no Target.*Target must contain its label id"),
        (change("Location", None), "has no Location.*and Location its name"),
        (change("avgpool_512", None), "has no avgpool_512.*set game.image_layer to one that it has"),
        (change("Location", [b"one"]), "differ in their number of rows"),
        (change("avgpool_512", POOLED[:4]), "differ in their number of rows"),
        (change("avgpool_512", POOLED.astype(int)), "must be floats"),
        (change("avgpool_512", np.zeros((5, 2, 512), np.float32)), "must be floats"),
        (change("avgpool_512", np.zeros((5, 1, 0), np.float32)), "without a value; make"),
        (with_value(np.nan), rf"avgpool_512 contains nan {ROW_3}\); every feature must be a finite number: make"),
        (with_value(-np.inf), f"avgpool_512 contains -inf {ROW_3}"),
        (with_value(1e300, np.float64), rf"avgpool_512 contains 1e\+300, too large for float32 {ROW_3}"),
        (labels(1.5), rf"Target is 1.5 {ROW_3}; 1 such rows\), but a label id is a non-negative integer"),
        (labels(np.nan), f"Target is nan {ROW_3}"),
        (labels(np.inf), f"Target is inf {ROW_3}"),
        (labels(2.0**70), f"Target is 1.18.*e\\+21 {ROW_3}"),
        (labels(-1), f"Target is -1 {ROW_3}"),
        (labels(2**63 + 1, np.uint64), f"Target is 9223372036854775809 {ROW_3}"),
        (labels(b"1.0", "S9"), f"Target is b'1.0' {ROW_3}"),
        (change("Target", np.array([1, 0, 1, 1, 0], bool)), "Target is bool; it must be integers"),
        (change("Target", np.zeros(5, [("a", "i8"), ("b", "f4")])), r"Target is \[\('a'.*it must be integers"),
        (change("Target", np.zeros((5, 1), int)), r"Target is of shape \(5, 1\); it must be \[N\]"),
        (change("Target", 3), r"Target is of shape \(\); it must be \[N\]"),
        (change("Target", h5py.Empty("i8")), r"Target is of shape None; it must be \[N\]"),
        (change("Location", np.zeros((5, 2), "S3")), r"Location is of shape \(5, 2\)"),
        (
            change("Location", [b"a", b"b", b"c", b"caf\xe9", b"e"]),
            r"Location of row 3 .*is not UTF-8 text \(b'caf\\xe9'\)",
        ),
        (group("Target"), "Target is a group; it must be a dataset"),
        (group("avgpool_512"), "avgpool_512 is a group; it must be a dataset"),
        (link("avgpool_512", h5py.SoftLink("/avgpool_512")), "avgpool_512 cannot be opened"),
        (link("avgpool_512", h5py.SoftLink("/gone")), "avgpool_512 is a link that leads nowhere"),
        (lost_source, "avgpool_512 refers to the missing file .*gone.hdf5; restore what is missing"),
    ],
)
def test_foreign_and_damaged_files_are_refused_by_name(tmp_path, damage, told):
    write_original(tmp_path / "f.hdf5")
    damage(tmp_path / "f.hdf5")
    for read in (read_features, open_features):
        with pytest.raises(ParleyError, match=told) as caught:
            read(tmp_path / "f.hdf5", "pooled")
        assert "f.hdf5" in str(caught.value)


@pytest.mark.parametrize("kind", ["i1", "u1", ">i4", "f8", "S3", h5py.string_dtype()])
def test_label_ids_of_any_type_are_the_same(tmp_path, kind):
    write_original(tmp_path / "f.hdf5")
    with h5py.File(tmp_path / "f.hdf5", "a") as file:
        values = file["Target"][:]
        del file["Target"]
        texts = isinstance(kind, np.dtype) or kind == "S3"
        file.create_dataset("Target", data=[str(one) for one in values] if texts else values, dtype=kind)
    rows = read_features(tmp_path / "f.hdf5", "pooled")
    assert rows.targets.tolist() == [2, 0, 1, 1, 0]
    assert rows.targets.dtype == np.int64


@pytest.mark.parametrize(
    ("locations", "features", "told"),
    [
        ([b"a", b"b"], [3, 4], ""),
        ([b"a", b"a"], [3, 4], "test.hdf5: 1 of 2 images share their name"),
        ([b"a", b"0"], [3, 4], "test.hdf5: 1 of 2 images have the names, and 0 the features, of images of the train"),
        ([b"a", b"b"], [3, 1], "test.hdf5: 0 of 2 images have the names, and 1 the features, of images of the train"),
    ],
)
def test_images_that_are_twice_in_the_splits_are_a_warning(tmp_path, locations, features, told):
    for part, names, values in [("train", [b"0", b"1", b"2"], [0, 1, 2]), ("test", locations, features)]:
        with h5py.File(tmp_path / f"{part}.hdf5", "w") as file:
            file["Target"], file["Location"] = np.zeros(len(names), int), names
            file["avgpool_512"] = np.array(values, np.float32)[:, None, None]
    found = same_images("test.hdf5", *read_images(tmp_path / "test.hdf5"), [tmp_path / "train.hdf5"])
    assert [sentence[: len(told)] for sentence in found] == [told] * bool(told)


def test_a_file_that_a_stage_makes_is_made_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/a").mkdir(parents=True)
    (tmp_path / "results/a/test.hdf5").write_bytes(b"")
    with pytest.raises(ParleyError, match="it is empty; remove it and run again"):
        read_features("results/a/test.hdf5", "pooled")


def test_reading_imports_no_torch():
    code = "import sys, parley.features.storage; assert not {'torch', 'pandas', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("layers", [["fc"], ["layer4_2"], ["clip_b32"], ["fc", "clip_b32"]])
def test_a_file_needs_only_the_layers_that_are_asked_for(tmp_path, layers):
    write_original(tmp_path / "f.hdf5")
    with h5py.File(tmp_path / "f.hdf5", "a") as file:
        file["clip_b32"] = POOLED
        for name in {"avgpool_512", "layer4_2", "fc", "clip_b32"} - set(layers):
            del file[name]
    assert len(read_images(tmp_path / "f.hdf5")[0]) == 5
    assert not examine_features(tmp_path / "f.hdf5", layers).problems
    (told,) = examine_features(tmp_path / "f.hdf5", ["pooled"]).problems
    assert "f.hdf5 has no avgpool_512; it has " in told


@pytest.mark.parametrize("name", ["Location", "Key"])
def test_names_of_another_encoding_are_reported_by_row(tmp_path, name):
    write_own(tmp_path / "f.hdf5")
    with h5py.File(tmp_path / "f.hdf5", "a") as file:
        del file[name]
        file[name] = np.array([b"ant/0.jpg", "café/1.jpg".encode("latin-1"), *(b"%d" % row for row in range(3))])
    for read in (read_images, lambda path: read_features(path, "pooled")):
        with pytest.raises(ParleyError, match=rf"{name} of row 1 .*is not UTF-8 text \(b'caf\\xe9"):
            read(tmp_path / "f.hdf5")
