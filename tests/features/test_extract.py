import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time

import h5py
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision import transforms

from parley.core.errors import ParleyError
from parley.features.extract import extract_classes
from parley.features.options import feature_options

pytestmark = pytest.mark.slow

SMALL = {"size": 64, "mean": [0.4, 0.5, 0.6], "sd": [0.2, 0.3, 0.25]}
OPTIONS = feature_options("resnet18", "random", 4, SMALL)
NAMES = {"pooled": "avgpool_512", "map": "layer4_1", "logits": "fc"}


@pytest.fixture(scope="module")
def tars(tmp_path_factory, picture, tar_of):
    """Three classes of 5, 1 and 4 pictures."""
    folder = tmp_path_factory.mktemp("tars")
    numbers = {"ant": range(5), "bee": range(5, 6), "cow": range(6, 10)}
    keys = {name: tar_of(folder / f"{name}.tar", [picture(n) for n in of]) for name, of in numbers.items()}
    return folder, keys


def plainly(path, plain_resnet):
    """Compute features one picture at a time with torchvision's transforms and model."""
    torch.manual_seed(4)
    network = torchvision.models.resnet18(weights=None).eval()
    steps = transforms.Compose(
        [
            transforms.Resize(64),
            transforms.CenterCrop(64),
            transforms.ToTensor(),
            transforms.Normalize(SMALL["mean"], SMALL["sd"]),
        ]
    )
    with tarfile.open(path) as tar:
        images = [Image.open(io.BytesIO(tar.extractfile(member).read())) for member in tar]
    return plain_resnet(network, torch.stack([steps(image.convert("RGB")) for image in images]), None)


def extract(folder, names, out, options=OPTIONS, **settings):
    out.mkdir(parents=True, exist_ok=True)
    return extract_classes(
        [folder / f"{name}.tar" for name in names],
        [out / f"{name}.hdf5" for name in names],
        options,
        out / "weights",
        device="cpu",
        **settings,
    )


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("groups", "batch_size", "threads"),
    [([["ant", "bee", "cow"]], 32, 1), ([["ant", "bee", "cow"]], 3, 2), ([["cow"], ["bee", "ant"]], 2, 1)],
)
def test_equal_to_a_plain_loop_however_grouped(tmp_path, tars, plain_resnet, groups, batch_size, threads):
    folder, keys = tars
    for group in groups:
        extract(folder, group, tmp_path, batch_size=batch_size, threads=threads)
    for name, expected_keys in keys.items():
        expected = plainly(folder / f"{name}.tar", plain_resnet)
        with h5py.File(tmp_path / f"{name}.hdf5") as file:
            assert [key.decode() for key in file["Key"]] == expected_keys
            assert [member.decode() for member in file["Member"]] == [f"{key}.png" for key in expected_keys]
            for role, values in expected.items():
                assert file[NAMES[role]].dtype == np.float32
                assert file[NAMES[role]].shape == (len(expected_keys), 1, *values.shape[1:])
                assert file.attrs[role] == NAMES[role]
                assert_close(file[NAMES[role]][:, 0], values.numpy())


@pytest.mark.parametrize("engine", ["eager", "fused", "compiled"])
def test_equal_to_a_plain_loop_whatever_the_engine(tmp_path, tars, plain_resnet, engine):
    folder, _ = tars
    extract(folder, ["ant", "bee"], tmp_path, engine=engine, batch_size=4)
    for name in ("ant", "bee"):
        expected = plainly(folder / f"{name}.tar", plain_resnet)
        with h5py.File(tmp_path / f"{name}.hdf5") as file:
            for role, values in expected.items():
                assert_close(file[NAMES[role]][:, 0], values.numpy())


def test_an_unknown_engine_is_an_error(tmp_path, tars):
    with pytest.raises(ParleyError, match=r"features.engine is 'steam'; it must be one of auto, eager"):
        extract(tars[0], ["bee"], tmp_path, engine="steam")


def test_an_images_features_do_not_depend_on_other_images(tmp_path, tars):
    """Equal to the last bit: alone in a batch, at another index, with other images."""
    folder, _ = tars
    extract(folder, ["ant", "bee", "cow"], tmp_path / "together", batch_size=8)
    extract(folder, ["cow"], tmp_path / "alone", batch_size=8)
    assert (tmp_path / "together/cow.hdf5").read_bytes() == (tmp_path / "alone/cow.hdf5").read_bytes()


def test_bytes_seen_before_are_copied_and_not_computed_again(tmp_path, picture, tar_of, caplog):
    """The second image set has three pictures of the first and two others."""
    caplog.set_level("INFO")
    tar_of(tmp_path / "ant.tar", [picture(number) for number in range(5)])
    tar_of(tmp_path / "emmet.tar", [picture(number) for number in (7, 3, 1, 8, 4)])
    first, second = tmp_path / "network/first", tmp_path / "network/second"
    first.parent.mkdir()
    extract(tmp_path, ["ant"], first)
    # A changed value in a stored row distinguishes a copy from a computation.
    with h5py.File(first / "ant.hdf5", "r+") as file:
        file["avgpool_512"][3] = 42.0
    extract(tmp_path, ["emmet"], second, known_in=tmp_path / "network")
    extract(tmp_path, ["emmet"], tmp_path / "apart/third")
    assert "3 images have features from other image sets" in caplog.text
    with h5py.File(second / "emmet.hdf5") as found, h5py.File(tmp_path / "apart/third/emmet.hdf5") as computed:
        np.testing.assert_array_equal(found["Key"][:], computed["Key"][:])
        np.testing.assert_array_equal(found["Sha256"][:], computed["Sha256"][:])
        assert (found["avgpool_512"][1] == 42.0).all()
        rest = [0, 2, 3, 4]
        np.testing.assert_array_equal(found["avgpool_512"][rest], computed["avgpool_512"][rest])
        np.testing.assert_array_equal(found["layer4_1"][:], computed["layer4_1"][:])


def test_rows_of_another_network_or_of_a_damaged_file_are_not_copied(tmp_path, picture, tar_of, caplog):
    caplog.set_level("INFO")
    tar_of(tmp_path / "ant.tar", [picture(number) for number in range(3)])
    other = feature_options("resnet18", "random", 5, SMALL)
    (tmp_path / "network").mkdir()
    extract(tmp_path, ["ant"], tmp_path / "network/first", other)
    (tmp_path / "network/second").mkdir()
    (tmp_path / "network/second/bee.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n cut short")
    extract(tmp_path, ["ant"], tmp_path / "network/third", known_in=tmp_path / "network")
    extract(tmp_path, ["ant"], tmp_path / "apart/fourth")
    assert "from other image sets" not in caplog.text
    assert "bee.hdf5 is not a class's feature file, or it is damaged" in caplog.text
    assert (tmp_path / "network/third/ant.hdf5").read_bytes() == (tmp_path / "apart/fourth/ant.hdf5").read_bytes()


def test_autocast_changes_the_type_and_is_recorded(tmp_path, tars, plain_resnet):
    folder, _ = tars
    options = feature_options("resnet18", "random", 4, SMALL, autocast="bfloat16")
    extract(folder, ["ant"], tmp_path, options, engine="eager")
    expected = plainly(folder / "ant.tar", plain_resnet)["pooled"].numpy()
    with h5py.File(tmp_path / "ant.hdf5") as file:
        error = np.abs(file["avgpool_512"][:, 0] - expected).max() / np.abs(expected).max()
        assert file.attrs["autocast"] == "bfloat16"
    # bfloat16 keeps eight bits.
    assert 1e-5 < error < 0.05


def test_rows_carry_the_hash_of_the_bytes(tmp_path, tars):
    folder, _ = tars
    extract(folder, ["ant"], tmp_path)
    with tarfile.open(folder / "ant.tar") as tar, h5py.File(tmp_path / "ant.hdf5") as file:
        hashes = [hashlib.sha256(tar.extractfile(member).read()).hexdigest() for member in tar]
        assert [each.decode() for each in file["Sha256"]] == hashes


def test_one_bad_image_in_forty_costs_one_row(tmp_path, picture, tar_of, plain_resnet, caplog):
    contents = [picture(number) for number in range(40)]
    good_keys = tar_of(tmp_path / "good.tar", contents[:17] + contents[18:])
    contents[17] = contents[17][:100]
    keys = tar_of(tmp_path / "bad.tar", contents)
    extract(tmp_path, ["bad"], tmp_path, batch_size=4)
    with h5py.File(tmp_path / "bad.hdf5") as file:
        assert [key.decode() for key in file["Key"]] == keys[:17] + keys[18:]
        expected = plainly(tmp_path / "good.tar", plain_resnet)
        assert len(good_keys) == 39
        assert_close(file["avgpool_512"][:, 0], expected["pooled"].numpy())
        assert file.attrs["unreadable"] == 1
        assert file["unreadable/Key"][0].decode() == keys[17]
        assert b"truncated" in file["unreadable/Reason"][0].lower()
    assert f"{keys[17]}.png is unreadable" in caplog.text
    assert "1 of 40 images could not be read" in caplog.text


def test_a_class_of_unreadable_images_and_an_empty_one_have_no_rows(tmp_path, tar_of):
    tar_of(tmp_path / "none.tar", [])
    tar_of(tmp_path / "bad.tar", [b"<html>", b""])
    extract(tmp_path, ["none", "bad"], tmp_path)
    with h5py.File(tmp_path / "none.hdf5") as file:
        assert (len(file["Key"]), file.attrs["unreadable"]) == (0, 0)
    with h5py.File(tmp_path / "bad.hdf5") as file:
        assert (len(file["Key"]), file.attrs["unreadable"]) == (0, 2)
        assert file["layer4_1"].shape == (0, 1, 512, 2, 2)


def test_only_the_layers_asked_for_and_half_the_map(tmp_path, tars):
    folder, _ = tars
    extract(folder, ["ant"], tmp_path / "full")
    options = feature_options("resnet18", "random", 4, SMALL, ["map"], "float16")
    extract(folder, ["ant"], tmp_path / "half", options)
    with h5py.File(tmp_path / "full/ant.hdf5") as full, h5py.File(tmp_path / "half/ant.hdf5") as half:
        assert set(half) == {"Key", "Sha256", "Member", "layer4_1", "unreadable"}
        assert half["layer4_1"].dtype == np.float16
        # float16 keeps 11 bits: the error stated for the option.
        np.testing.assert_allclose(half["layer4_1"][:].astype(float), full["layer4_1"], rtol=2**-11, atol=1e-7)


@pytest.mark.parametrize("map_dtype", ["float16", "float32"])
def test_blames_the_weights_for_features_that_are_not_finite(tmp_path, tars, map_dtype):
    own = torchvision.models.resnet18(weights=None).state_dict()
    own["conv1.weight"][...] = float("nan")
    torch.save(own, tmp_path / "own.pth")
    options = feature_options("resnet18", str(tmp_path / "own.pth"), 0, SMALL, map_dtype=map_dtype)
    with pytest.raises(ParleyError, match=r"infinite or NaN in the network's output; use other weights"):
        extract(tars[0], ["ant"], tmp_path, options)


def test_values_too_large_for_half_are_refused(tmp_path, tars):
    own = torchvision.models.resnet18(weights=None)
    with torch.no_grad():
        own.layer4[1].bn2.weight.mul_(1e9)
    torch.save(own.state_dict(), tmp_path / "large.pth")
    options = feature_options("resnet18", str(tmp_path / "large.pth"), 0, SMALL, map_dtype="float16")
    with pytest.raises(ParleyError, match="map_dtype to float32"):
        extract(tars[0], ["ant"], tmp_path, options)
    assert not (tmp_path / "ant.hdf5").exists()


def test_files_are_reproducible_byte_for_byte(tmp_path, tars):
    for run in ("first", "second"):
        extract(tars[0], ["ant", "cow"], tmp_path / run, batch_size=3)
    for name in ("ant", "cow"):
        assert (tmp_path / "first" / f"{name}.hdf5").read_bytes() == (tmp_path / "second" / f"{name}.hdf5").read_bytes()


CODE = """
import sys
from parley.features.extract import extract_classes
from parley.features.options import feature_options
import pathlib
folder = pathlib.Path(sys.argv[1])
extract_classes(
    [folder / "many.tar"], [folder / "many.hdf5"],
    feature_options("resnet18", "random", 4, {"size": 64, "mean": [0.4, 0.5, 0.6], "sd": [0.2, 0.3, 0.25]}),
    folder / "weights", device="cpu", batch_size=1,
)
"""


def test_a_run_killed_midway_leaves_no_file_under_the_final_name(tmp_path, picture, tar_of):
    tar_of(tmp_path / "many.tar", [picture(number) for number in range(60)])
    with subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path)]) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".many.hdf5.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "many.hdf5").exists()
    subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], check=True, timeout=120)
    extract(tmp_path, ["many"], tmp_path / "undisturbed/images", batch_size=1)
    assert (tmp_path / "many.hdf5").read_bytes() == (tmp_path / "undisturbed/images/many.hdf5").read_bytes()
    assert not list(tmp_path.glob(".many.hdf5.*")), "the killed run's temporary files are removed"


def test_missing_damaged_and_foreign_tars_are_reported_with_their_path(tmp_path, picture, tar_of):
    with pytest.raises(ParleyError, match=r"none\.tar does not exist"):
        extract(tmp_path, ["none"], tmp_path)
    tar_of(tmp_path / "cut.tar", [picture(0), picture(1)])
    (tmp_path / "cut.tar").write_bytes((tmp_path / "cut.tar").read_bytes()[:600])
    with pytest.raises(ParleyError, match=r"cut\.tar is a truncated or damaged tar"):
        extract(tmp_path, ["cut"], tmp_path)
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(os.devnull, "lion_1.jpg")
    with pytest.raises(ParleyError, match=r"other\.tar contains 'lion_1.jpg'"):
        extract(tmp_path, ["other"], tmp_path)
    with tarfile.open(tmp_path / "twice.tar", "w") as tar:
        for suffix in ("png", "jpg"):
            tar.add(tmp_path / "cut.tar", f"{'0' * 32}.{suffix}")
    with pytest.raises(ParleyError, match="1 images with repeated keys"):
        extract(tmp_path, ["twice"], tmp_path)


def test_the_number_of_torch_threads_is_restored(tmp_path, tars):
    before = torch.get_num_threads()
    extract(tars[0], ["bee"], tmp_path, threads=2)
    assert torch.get_num_threads() == before
