"""Networks of timm and open_clip: features equal those of the libraries' own functions on their own transforms."""

import io
import shutil
import subprocess
import sys
import tarfile

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from parley.core.errors import ParleyError
from parley.features.backbone import load_backbone
from parley.features.class_files import SAME_EVERYWHERE
from parley.features.extract import extract_classes
from parley.features.options import feature_options, features_id
from parley.features.preprocessing import pixels_of
from parley.features.weights import build_network, fetch_weights, published_transform

SEED = 4
TIMM = ["test_vit", "test_vit3", "test_efficientnet", "test_resnet", "test_mambaout"]
slow = pytest.mark.slow


def timm_network(name):
    timm = pytest.importorskip("timm")
    torch.manual_seed(SEED)
    return timm.create_model(name).eval()


def clip_network(name):
    open_clip = pytest.importorskip("open_clip")
    torch.manual_seed(SEED)
    return open_clip.create_model(name, pretrained_text=False).eval()


def by_timm(name, image):
    """Compute the features of an image with timm alone."""
    timm, network = pytest.importorskip("timm"), timm_network(name)
    seen = timm.data.create_transform(**timm.data.resolve_model_data_config(network))(image)[None]
    with torch.inference_mode():
        (cells,) = network.forward_intermediates(seen, indices=1, norm=True, intermediates_only=True)
        embed = timm_network(name)
        embed.reset_classifier(0)
        return {"pooled": embed(seen), "map": cells, "logits": network(seen)}


def by_open_clip(name, image):
    """Compute the features of an image with open_clip alone."""
    open_clip, model = pytest.importorskip("open_clip"), clip_network(name)
    steps = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg), is_train=False
    )
    with torch.inference_mode():
        return {"pooled": model.encode_image(steps(image)[None], normalize=False)}


def write_tar(folder, tar_of, picture, numbers=range(4)):
    tar_of(folder / "ant.tar", [picture(number) for number in numbers])
    with tarfile.open(folder / "ant.tar") as tar:
        return [Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB") for member in tar]


def extracted(folder, backbone, name="ant", **settings):
    """Extract the features of ant.tar; return them by role, and the file's attributes."""
    options = feature_options(backbone, "random", SEED, **settings.pop("options", {}))
    out = folder / features_id(options) / name / "ant.hdf5"
    out.parent.mkdir(parents=True)
    extract_classes([folder / "ant.tar"], [out], options, folder / "weights", device="cpu", **settings)
    with h5py.File(out) as file:
        roles = [role for role in ("pooled", "map", "logits") if role in file.attrs]
        return {role: file[file.attrs[role]][:, 0] for role in roles}, dict(file.attrs)


def assert_close(found, expected, within=2e-5):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= within * np.abs(expected).max()


@pytest.mark.parametrize("name", TIMM)
def test_timms_features_equal_its_own(tmp_path, picture, tar_of, name):
    pytest.importorskip("timm")
    images = write_tar(tmp_path, tar_of, picture)
    found, attributes = extracted(tmp_path, f"timm/{name}")
    for row, image in enumerate(images):
        for role, value in by_timm(name, image).items():
            if role == "map" and found["map"].shape[1] != value.shape[1]:
                # EfficientNet: forward_features goes one convolution further than the last block.
                assert (found["map"].shape[2:], name) == (value.shape[2:], "test_efficientnet")
                continue
            assert_close(found[role][row], value[0].numpy())
    assert attributes["backbone"] == f"timm/{name}"
    assert attributes["weights"] == f"random, seed {SEED}"
    assert attributes["pooled"] == f"pre_logits_{found['pooled'].shape[1]}"
    assert attributes["timm"] == pytest.importorskip("timm").__version__
    assert "open_clip" not in attributes


def test_efficientnets_map_is_pooled_to_its_vector(tmp_path, picture, tar_of):
    pytest.importorskip("timm")
    write_tar(tmp_path, tar_of, picture)
    found, _ = extracted(tmp_path, "timm/test_efficientnet")
    assert_close(found["map"].mean((2, 3)), found["pooled"])


@slow
@pytest.mark.parametrize("name", ["ViT-S-32-alt", "RN50", "coca_ViT-B-32"])
def test_open_clips_features_equal_its_own(tmp_path, picture, tar_of, name):
    pytest.importorskip("open_clip")
    images = write_tar(tmp_path, tar_of, picture, range(2))
    found, attributes = extracted(tmp_path, f"open_clip/{name}", batch_size=2)
    assert set(found) == {"pooled", "map"}
    for row, image in enumerate(images):
        for role, value in by_open_clip(name, image).items():
            assert_close(found[role][row], value[0].numpy())
    assert attributes["pooled"] == f"embedding_{found['pooled'].shape[1]}"
    assert attributes["open_clip"]


@slow
def test_open_clips_map_is_its_grid_of_tokens(tmp_path):
    model = clip_network("ViT-S-32-alt")
    pixels = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    backbone = load_backbone(feature_options("open_clip/ViT-S-32-alt", "random", SEED), tmp_path, "cpu")
    mean, sd = (torch.tensor(of).reshape(1, 3, 1, 1) for of in (backbone.transform.mean, backbone.transform.sd))
    model.visual.output_tokens = True
    with torch.inference_mode():
        pooled, tokens = model.visual((pixels / 255 - mean) / sd)
    found = backbone.features(pixels)
    assert_close(found["pooled"].numpy(), pooled.numpy())
    # The patch in row 2 and column 5 is the token 2 x 7 + 5.
    assert_close(found["map"][:, :, 2, 5].numpy(), tokens[:, 2 * 7 + 5].numpy())


@pytest.mark.parametrize("engine", ["eager", "fused", pytest.param("compiled", marks=slow)])
@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet"])
def test_engines_give_the_same_features(tmp_path, picture, tar_of, caplog, engine, name):
    pytest.importorskip("timm")
    caplog.set_level("INFO")
    write_tar(tmp_path, tar_of, picture)
    plain, _ = extracted(tmp_path, f"timm/{name}", "plain", engine="eager")
    found, _ = extracted(tmp_path, f"timm/{name}", "engine", engine=engine, batch_size=3)
    for role, value in plain.items():
        assert_close(found[role], value)
    assert ("folded only in torchvision's networks; the engine is eager" in caplog.text) == (engine == "fused")


def test_maps_of_half_precision_and_autocast(tmp_path, picture, tar_of):
    pytest.importorskip("timm")
    write_tar(tmp_path, tar_of, picture)
    plain, _ = extracted(tmp_path, "timm/test_vit")
    half, attributes = extracted(tmp_path, "timm/test_vit", options={"map_dtype": "float16", "autocast": "bfloat16"})
    assert half["map"].dtype == np.float16
    assert attributes["autocast"] == "bfloat16"
    for role, value in plain.items():
        assert_close(half[role].astype(np.float32), value, 0.05)
        assert not np.array_equal(half[role], value)


def test_known_features_are_copied(tmp_path, picture, tar_of, caplog):
    pytest.importorskip("timm")
    caplog.set_level("INFO")
    write_tar(tmp_path, tar_of, picture)
    first, attributes = extracted(tmp_path, "timm/test_vit", "first")
    folder = tmp_path / features_id(feature_options("timm/test_vit", "random", SEED))
    second, others = extracted(tmp_path, "timm/test_vit", "second", known_in=folder)
    assert "4 images have features from other image sets" in caplog.text
    assert attributes == others
    assert all(np.array_equal(first[role], second[role]) for role in first)


def test_random_weights_depend_on_the_seed_alone(tmp_path):
    ours = timm_network("test_vit").state_dict()
    torch.manual_seed(1)
    torch.rand(7)
    state = torch.get_rng_state()
    built = build_network(feature_options("timm/test_vit", "random", SEED), tmp_path).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(built[name], value) for name, value in ours.items())


def test_a_state_dict_is_loaded_by_its_path(tmp_path):
    network = timm_network("test_vit")
    torch.save(network.state_dict(), tmp_path / "own.pth")
    options = feature_options("timm/test_vit", str(tmp_path / "own.pth"))
    built = build_network(options, tmp_path).state_dict()
    assert all(torch.equal(built[name], value) for name, value in network.state_dict().items())
    torch.save({"head.bias": torch.zeros(3)}, tmp_path / "own.pth")
    with pytest.raises(ParleyError, match="does not fit timm/test_vit: it lacks"):
        build_network(options, tmp_path)


@slow
def test_a_whole_model_of_open_clip_or_its_image_network_is_loaded(tmp_path):
    model = clip_network("ViT-S-32-alt")
    for state in (model.state_dict(), model.visual.state_dict()):
        torch.save(state, tmp_path / "own.pth")
        built = build_network(feature_options("open_clip/ViT-S-32-alt", str(tmp_path / "own.pth")), tmp_path)
        assert all(torch.equal(built.state_dict()[name], value) for name, value in model.visual.state_dict().items())


def test_a_network_without_logits(tmp_path):
    """All layers mean those that the network has; of fewer, each must exist."""
    pytest.importorskip("timm")
    pixels = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    backbone = load_backbone(feature_options("timm/eva02_tiny_patch14_224", "random"), tmp_path, "cpu")
    backbone.batch_size = 1
    assert {role: tuple(value.shape) for role, value in backbone.features(pixels).items()} == {
        "pooled": (1, 192),
        "map": (1, 192, 16, 16),
    }
    assert "logits" not in backbone.attributes
    options = feature_options("timm/eva02_tiny_patch14_224", "random", layers=["pooled", "logits"])
    with pytest.raises(ParleyError, match=r"names logits, but .* has only pooled, map; set it to \[pooled\]"):
        load_backbone(options, tmp_path, "cpu")


def test_only_the_layers_asked_for(tmp_path):
    pytest.importorskip("timm")
    backbone = load_backbone(feature_options("timm/test_vit", "random", layers=["map"]), tmp_path, "cpu")
    assert set(backbone.features(torch.zeros(1, 3, 160, 160, dtype=torch.uint8))) == {"map"}


def test_an_unsupported_image_size_is_an_error(tmp_path):
    pytest.importorskip("timm")
    options = feature_options("timm/test_vit", "random", preprocessing="original")
    with pytest.raises(ParleyError, match="does not accept images of 227 px"):
        load_backbone(options, tmp_path, "cpu")


def encoded(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def noise(width, height):
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8))


SIZES = [(200, 120), (121, 300), (64, 64), (500, 499), (90, 1000)]


@pytest.mark.parametrize(
    "name", ["test_vit", "test_resnet", "vit_tiny_patch16_224", "beit_base_patch16_224", "deepseek_vit_412m"]
)
@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_timms_transform(name, size):
    timm = pytest.importorskip("timm")
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    theirs = timm.data.create_transform(**config, normalize=False)(noise(*size))
    ours = published_transform(feature_options(f"timm/{name}", "random"))
    assert np.array_equal(pixels_of(encoded(noise(*size)), ours), theirs.permute(1, 2, 0).numpy())
    assert (ours.mean, ours.sd) == (tuple(config["mean"]), tuple(config["std"]))


@pytest.mark.parametrize("mode", ["squash", "border", "center"])
@pytest.mark.parametrize("crop", [0.8, 1.0])
@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_timms_transform_in_every_mode(mode, crop, size, monkeypatch):
    timm = pytest.importorskip("timm")
    from parley.features import timm_networks

    config = {"input_size": (3, 96, 96), "mean": (0.2, 0.4, 0.7), "crop_pct": crop, "crop_mode": mode}
    monkeypatch.setattr(timm_networks, "_config", lambda _: config)
    resolved = timm.data.resolve_data_config(pretrained_cfg=config)
    theirs = timm.data.create_transform(**resolved, normalize=False)(noise(*size))
    ours = published_transform(feature_options("timm/test_vit", "random"))
    assert np.array_equal(pixels_of(encoded(noise(*size)), ours), theirs.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("name", ["ViT-B-32:laion2b_s34b_b79k", "ViT-B-16-SigLIP:webli", "RN50-quickgelu:openai"])
@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_open_clips_transform(name, size):
    open_clip = pytest.importorskip("open_clip")
    published = open_clip.get_pretrained_cfg(*name.split(":"))
    values = open_clip.transform.merge_preprocess_dict(open_clip.transform.PreprocessCfg(size=224), published)
    steps = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**values), is_train=False)
    ours = published_transform(feature_options(f"open_clip/{name}"))
    pixels = pixels_of(encoded(noise(*size)), ours).astype(np.float32) / 255
    found = (pixels - np.float32(ours.mean)) / np.float32(ours.sd)
    np.testing.assert_allclose(found, steps(noise(*size)).permute(1, 2, 0).numpy(), rtol=0, atol=1e-6)


REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub, without a network."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)

    def add(repository, name, content):
        folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        path = folder / "snapshots" / REVISION / name
        path.parent.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs/main").write_text(REVISION)
        shutil.move(content, path)
        return path

    return add


def test_weights_of_the_hub_are_read_from_its_cache(tmp_path, hub_cache):
    safetensors = pytest.importorskip("safetensors.torch")
    network = timm_network("vit_tiny_patch16_224")
    safetensors.save_file(network.state_dict(), tmp_path / "own")
    path = hub_cache("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "model.safetensors", tmp_path / "own")
    options = feature_options("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    assert fetch_weights(options, tmp_path) == path
    backbone = load_backbone(options, tmp_path, "cpu")
    random = load_backbone(feature_options("timm/vit_tiny_patch16_224", "random", SEED), tmp_path, "cpu")
    assert backbone.attributes["weights"] == "augreg_in21k_ft_in1k"
    assert backbone.attributes["weights_sha256"] == random.attributes["weights_sha256"]
    assert backbone.attributes["weights_source"] == (
        f"timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k@{REVISION}/model.safetensors"
    )
    assert len(backbone.attributes["weights_file_sha256"]) == 64
    path.write_bytes(b"cut off")
    with pytest.raises(ParleyError, match=r"cannot be loaded as the weights of timm/vit_tiny_.* remove it"):
        load_backbone(options, tmp_path, "cpu")


@slow
def test_weights_of_open_clip_are_read_from_the_hubs_cache(tmp_path, hub_cache):
    model = clip_network("RN50-quickgelu")
    torch.save(model.state_dict(), tmp_path / "own")
    hub_cache("timm/resnet50_clip.openai", "open_clip_pytorch_model.bin", tmp_path / "own")
    built = build_network(feature_options("open_clip/RN50-quickgelu:openai"), tmp_path)
    assert all(torch.equal(built.state_dict()[name], value) for name, value in model.visual.state_dict().items())


def test_without_a_network_the_message_says_what_to_type(tmp_path, hub_cache):
    pytest.importorskip("timm")
    options = feature_options("timm/test_vit.r160_in1k")
    assert fetch_weights(options, tmp_path, download=False) is None
    with pytest.raises(ParleyError) as caught:
        fetch_weights(options, tmp_path)
    for part in (
        "not in ",
        "HF_HUB_OFFLINE is set",
        "hf download timm/test_vit.r160_in1k model.safetensors",
        "HF_HOME",
        "set features.backbone to timm/test_vit and features.weights to a path or to random",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("backbone", "weights", "told"),
    [
        ("timm/test_vits", "random", "timm has no network 'test_vits'; did you mean test_vit"),
        ("timm/test_vit.r161", None, "timm has no weights 'r161' for test_vit; it has r160_in1k."),
        ("open_clip/ViT-B-33", "random", "open_clip has no network 'ViT-B-33'; did you mean ViT-B-32"),
        ("open_clip/ViT-B-32:laion", None, "open_clip has no weights 'laion' for ViT-B-32; it has openai, "),
        ("open_clip/ViT-B-32:openai", None, "write open_clip/ViT-B-32-quickgelu:openai"),
    ],
)
def test_unknown_networks_and_weights_come_with_a_hint(tmp_path, backbone, weights, told):
    pytest.importorskip(backbone.split("/")[0])
    with pytest.raises(ParleyError) as caught:
        fetch_weights(feature_options(backbone, weights), tmp_path)
    assert told in str(caught.value)


BLOCKED = """
import sys
for name in ("timm", "open_clip", "huggingface_hub"):
    sys.modules[name] = None
from pathlib import Path
from parley.core.errors import ParleyError
from parley.features.backbone import load_backbone
from parley.features.extract import extract_classes
from parley.features.options import feature_options
load_backbone(feature_options("squeezenet1_0", "random"), Path("none"), "cpu")
for backbone in ("timm/test_vit", "open_clip/ViT-B-32"):
    try:
        load_backbone(feature_options(backbone, "random"), Path("none"), "cpu")
    except ParleyError as error:
        print(error)
"""


@slow
def test_the_optional_packages_are_needed_only_by_their_networks():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True)
    assert "package timm is not installed; install it (`uv sync --extra timm`, or `pip install timm`)." in done.stdout
    assert "package open_clip is not installed; install it (`uv sync --extra open-clip`" in done.stdout


def test_files_of_torchvisions_networks_have_the_attributes_they_had(tmp_path):
    attributes = load_backbone(feature_options("resnet18", "random"), tmp_path, "cpu").attributes
    assert set(attributes) == {*SAME_EVERYWHERE, "weights", "torch", "torchvision", "parley"}
    assert attributes["preprocessing"] == (
        '{"rule": "corrected", "resize_px": 256, "crop_px": 224, "mean": [0.485, 0.456, 0.406], '
        '"sd": [0.229, 0.224, 0.225], "interpolation": "bilinear", "pooled_cells": null}'
    )
