import itertools
import json
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.features.class_files import Column, RowIdentity, writing_class_file
from parley.features.gather import gather_part
from parley.features.storage import layer_shapes, read_features

COLUMNS = {"avgpool_512": Column((6,)), "layer4_2": Column((6, 2, 3), "float16"), "fc": Column((4,))}
ATTRIBUTES = {
    "backbone": "resnet34",
    "weights": "random, seed 0",
    "weights_sha256": "ab",
    "preprocessing": "{}",
    "map_dtype": "float16",
    "pooled": "avgpool_512",
    "map": "layer4_2",
    "logits": "fc",
    "torch": "2.15",
    "torchvision": "0.29",
    "parley": "0.1",
}
# Label order: in-domain first.
CLASSES = [ImageClass("owl", "", "out"), ImageClass("ant", "", "in"), ImageClass("bee", "", "in")]
LABELS = {"ant": 0, "bee": 1, "owl": 2}


def key(name, number):
    return f"{LABELS[name]:016x}{number:016x}"


def value(name, number):
    """A value that identifies the image."""
    return LABELS[name] * 1000 + number


def write_class(path, name, numbers, attributes=ATTRIBUTES, columns=COLUMNS, unreadable=()):
    with writing_class_file(path, columns, attributes) as writer:
        for number in numbers:
            row = RowIdentity(key(name, number), f"{key(name, number)}.jpg", f"{number:064x}")
            writer.append(
                [row], {n: np.full((1, *c.shape), value(name, number), np.float32) for n, c in columns.items()}
            )
        for number in unreadable:
            writer.unreadable[key(name, number)] = "OSError: truncated"


def split(name, number):
    return {"class": name, "key": key(name, number), "part": "train", "sha256": f"{number:064x}"}


@pytest.fixture
def files(tmp_path):
    paths = {name: tmp_path / f"{name}.hdf5" for name in LABELS}
    for name, path in paths.items():
        write_class(path, name, range(20))
    return paths


@pytest.mark.parametrize("order", list(itertools.permutations(LABELS)))
def test_rows_are_joined_by_key_whatever_the_order(tmp_path, files, order):
    rng = np.random.default_rng(len(order[0]) + LABELS[order[1]])
    rows = [split(name, int(number)) for name in LABELS for number in rng.permutation(20)[:11]]
    gather_part(rows, {name: files[name] for name in order}, CLASSES, tmp_path / "train.hdf5")
    expected = [value(row["class"], int(row["key"][16:], 16)) for row in rows]
    with h5py.File(tmp_path / "train.hdf5") as file:
        assert file["Target"].dtype == np.int64
        assert file["Target"][:].tolist() == [LABELS[row["class"]] for row in rows]
        assert [each.decode() for each in file["Key"]] == [row["key"] for row in rows]
        assert [each.decode() for each in file["Sha256"]] == [row["sha256"] for row in rows]
        assert file["Location"][0].decode() == f"{rows[0]['class']}/{rows[0]['key']}.jpg"
        for name, column in COLUMNS.items():
            assert file[name].shape == (33, 1, *column.shape)
            assert file[name].dtype == column.dtype
            assert (file[name][:].reshape(33, -1) == np.array(expected)[:, None]).all()


def test_interleaved_classes_keep_their_rows(tmp_path, files):
    rows = [split(name, number) for number in (7, 3, 5) for name in ("bee", "ant", "owl")]
    assert gather_part(rows, files, CLASSES, tmp_path / "train.hdf5") == 9
    read = read_features(tmp_path / "train.hdf5", "pooled")
    assert read.features[:, 0].tolist() == [value(row["class"], int(row["key"][16:], 16)) for row in rows]


def test_attributes_name_roles_origin_and_classes(tmp_path, files):
    write_class(files["bee"], "bee", range(20), ATTRIBUTES | {"torch": "2.16"})
    gather_part([split("ant", 1), split("bee", 1)], files, CLASSES, tmp_path / "train.hdf5")
    with h5py.File(tmp_path / "train.hdf5") as file:
        assert file.attrs["pooled"] == "avgpool_512"
        assert file.attrs["weights_sha256"] == "ab"
        assert file.attrs["torch"] == "2.15, 2.16"
        assert json.loads(file.attrs["classes"]) == ["ant", "bee", "owl"]
        assert "unreadable" not in file.attrs
    assert layer_shapes(tmp_path / "train.hdf5") == {"pooled": (6,), "map": (6, 2, 3), "logits": (4,)}


def findings_of(rows, files, path):
    with pytest.raises(ParleyError) as caught:
        gather_part(rows, files, CLASSES, path)
    assert not path.exists()
    return caught.value.findings


def test_images_without_features_are_reported_per_class(tmp_path, files):
    write_class(files["ant"], "ant", range(18), unreadable=[18])
    rows = [split("ant", 18), split("ant", 19), split("bee", 3), split("owl", 25)]
    ant, owl = findings_of(rows, files, tmp_path / "train.hdf5")
    assert "'ant': 2 of 2 images have no features" in ant
    assert "OSError: truncated" in ant
    assert "'owl': 1 of 1 images have no features" in owl


def test_other_bytes_under_the_same_key_are_reported(tmp_path, files):
    (finding,) = findings_of([split("ant", 1) | {"sha256": "f" * 64}], files, tmp_path / "train.hdf5")
    assert "other bytes" in finding


def test_files_of_different_networks_are_not_mixed(tmp_path, files):
    rows = [split(name, 0) for name in LABELS]
    write_class(files["bee"], "bee", range(20), ATTRIBUTES | {"weights_sha256": "cd"})
    write_class(files["owl"], "owl", range(20), columns=COLUMNS | {"fc": Column((5,))})
    weights, shapes = findings_of(rows, files, tmp_path / "train.hdf5")
    assert "differs from" in weights
    assert "weights_sha256 (cd, not ab)" in weights
    assert "different shapes" in shapes


def test_missing_classes_are_reported(tmp_path, files):
    del files["bee"]
    rows = [split("bee", 0), split("ant", 0) | {"class": "cat"}]
    bee, cat = findings_of(rows, files, tmp_path / "train.hdf5")
    assert "'bee'" in bee
    assert "'cat'" in cat


def test_an_empty_split_is_refused(tmp_path, files):
    assert "no image" in findings_of([], files, tmp_path / "train.hdf5")[0]


def truncated(path):
    path.write_bytes(path.read_bytes()[:-300])


def foreign(path):
    with h5py.File(path, "w") as file:
        file["Key"] = 1


@pytest.mark.parametrize("damage", [truncated, foreign, lambda path: path.write_text("x"), lambda path: path.unlink()])
def test_a_damaged_class_file_is_reported_with_its_path(tmp_path, files, damage):
    damage(files["ant"])
    (finding,) = findings_of([split("ant", 0)], files, tmp_path / "train.hdf5")
    assert str(files["ant"]) in finding


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_rows_by_reference_equal_rows_by_copy(tmp_path, files, order):
    names = [list(LABELS)[place] for place in order]
    rows = [split(name, number) for number in (7, 8, 9, 2, 19, 0) for name in names]
    gather_part(rows, files, CLASSES, tmp_path / "copied.hdf5")
    gather_part(rows, files, CLASSES, tmp_path / "referred.hdf5", by_reference=True)
    with h5py.File(tmp_path / "copied.hdf5") as copied, h5py.File(tmp_path / "referred.hdf5") as referred:
        assert set(copied) == set(referred)
        for name in copied:
            assert copied[name].dtype == referred[name].dtype
            np.testing.assert_array_equal(copied[name][:], referred[name][:])
        assert dict(copied.attrs) == dict(referred.attrs)
        assert referred["layer4_2"].is_virtual
    for role in ("pooled", "map", "logits"):
        mine, theirs = (read_features(tmp_path / f"{how}.hdf5", role) for how in ("copied", "referred"))
        np.testing.assert_array_equal(mine.features, theirs.features)


def test_references_survive_a_move_but_not_a_missing_file(tmp_path, files):
    (tmp_path / "work/features").mkdir(parents=True)
    moved = {name: path.rename(tmp_path / "work/features" / path.name) for name, path in files.items()}
    (tmp_path / "work/results").mkdir()
    gather_part([split("ant", 3), split("bee", 4)], moved, CLASSES, tmp_path / "work/results/t.hdf5", by_reference=True)
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    rows = read_features(tmp_path / "elsewhere/results/t.hdf5", "pooled")
    assert rows.features[:, 0].tolist() == [value("ant", 3), value("bee", 4)]
    (tmp_path / "elsewhere/features/bee.hdf5").unlink()
    with pytest.raises(ParleyError, match=r"refers to the missing file .*bee\.hdf5"):
        read_features(tmp_path / "elsewhere/results/t.hdf5", "pooled")


def test_a_split_may_have_more_classes_than_the_limit_on_open_files(tmp_path):
    """As in a large class set: only the file being read is open."""
    classes = [ImageClass(f"c{number}", "", "in") for number in range(25)]
    paths = {one.name: tmp_path / f"{one.name}.hdf5" for one in classes}
    identity = [RowIdentity("0" * 32, "0.jpg", "0" * 64)]
    for number, path in enumerate(paths.values()):
        with writing_class_file(path, {"pooled": Column((2,))}, ATTRIBUTES) as writer:
            writer.append(identity, {"pooled": np.full((1, 2), number, np.float32)})
    rows = [{"class": one.name, "key": "0" * 32, "sha256": "0" * 64} for one in classes]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 8, before[1]))
    try:
        for by_reference in (False, True):
            out = tmp_path / f"{by_reference}.hdf5"
            gather_part(rows, paths, classes, out, by_reference)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    for by_reference in (False, True):
        with h5py.File(tmp_path / f"{by_reference}.hdf5") as file:
            assert file["pooled"][:, 0, 0].tolist() == list(range(25))
