import hashlib
import os
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from image_server import content

from parley.core.errors import ParleyError
from parley.core.tensor_files import parameters_sha256
from parley.features import weights
from parley.features.options import ROLES, Transform, feature_options
from parley.features.weights import build_network, fetch_weights, published_transform

NET = "shufflenet_v2_x0_5"  # 1.4 million parameters: quick to build


def build(tmp_path, weights="random", backbone=NET, seed=0, layers=ROLES):
    return build_network(feature_options(backbone, str(weights), seed, layers=layers), tmp_path / "weights")


def test_random_weights_depend_on_the_seed_alone(tmp_path):
    torch.manual_seed(1)
    first = parameters_sha256(build(tmp_path, seed=5))
    torch.manual_seed(2)
    torch.rand(7)
    state = torch.get_rng_state()
    assert parameters_sha256(build(tmp_path, seed=5)) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert parameters_sha256(build(tmp_path, seed=6)) != first


def test_random_weights_are_torchvisions_own_after_seeding(tmp_path):
    torch.manual_seed(5)
    theirs = torchvision.models.get_model(NET, weights=None)
    assert parameters_sha256(theirs) == parameters_sha256(build(tmp_path, seed=5))


def test_a_networks_hash_is_of_its_values():
    network = torch.nn.Linear(2, 2)
    before = parameters_sha256(network)
    with torch.no_grad():
        network.weight[0, 0] += 1
    assert parameters_sha256(network) != before


def test_a_state_dict_is_loaded(tmp_path):
    torch.manual_seed(9)
    network = torchvision.models.get_model(NET, weights=None)
    torch.save(network.state_dict(), tmp_path / "own.pth")
    assert parameters_sha256(build(tmp_path, tmp_path / "own.pth")) == parameters_sha256(network)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "own.safetensors")
    assert parameters_sha256(build(tmp_path, tmp_path / "own.safetensors")) == parameters_sha256(network)


def test_a_state_dict_without_counters_is_loaded(tmp_path):
    state = {
        name: value
        for name, value in torchvision.models.get_model(NET, weights=None).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(state, tmp_path / "old.pth")
    assert torch.equal(build(tmp_path, tmp_path / "old.pth").fc.bias, state["fc.bias"])


def wrapped_by(state):
    """What training programs save: the state dict in other dictionaries, and with longer names."""
    yield {"epoch": 3, "state_dict": state}
    yield {"model": {"state_dict": state}, "optimizer": {}}
    yield {"model_state_dict": {f"module.{name}": value for name, value in state.items()}}
    for prefix in ("module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.", "model.", "backbone."):
        yield {f"{prefix}{name}": value for name, value in state.items()}


def test_a_state_dict_of_a_training_program_is_loaded(tmp_path):
    network = torchvision.models.get_model(NET, weights=None)
    for saved in wrapped_by(network.state_dict()):
        torch.save(saved, tmp_path / "own.pth")
        assert parameters_sha256(build(tmp_path, tmp_path / "own.pth")) == parameters_sha256(network)


def heads_for_other_classes(state):
    """State dicts without a head, with one for seven classes, with one by another name, and in a detector."""
    body = {name: value for name, value in state.items() if not name.startswith("fc.")}
    yield body
    yield body | {"fc.weight": torch.zeros(7, 1024), "fc.bias": torch.zeros(7)}
    yield body | {"head.weight": torch.zeros(7, 1024)}
    yield {f"backbone.{name}": value for name, value in body.items()} | {"head.weight": torch.zeros(7, 1024)}


def test_another_head_or_none_matters_only_for_logits(tmp_path):
    state = torchvision.models.get_model(NET, weights=None).state_dict()
    for saved in heads_for_other_classes(state):
        torch.save(saved, tmp_path / "own.pth")
        loaded = build(tmp_path, tmp_path / "own.pth", layers=("pooled", "map")).state_dict()
        assert all(torch.equal(loaded[name], state[name]) for name in state if not name.startswith("fc."))
        with pytest.raises(ParleyError, match=f"does not fit {NET}"):
            build(tmp_path, tmp_path / "own.pth", layers=("pooled", "logits"))


@pytest.mark.parametrize("inflated", ["fc.bias", "conv1.0.weight"])
def test_a_tensor_that_claims_more_than_it_stores_is_refused(tmp_path, inflated):
    state = torchvision.models.get_model(NET, weights=None).state_dict()
    state[inflated] = torch.zeros(1).expand(10**12)
    torch.save(state, tmp_path / "own.pth")
    with pytest.raises(ParleyError, match="claims 4000000000000 bytes, but 4 are stored"):
        build(tmp_path, tmp_path / "own.pth")


def test_mismatched_keys_are_reported_with_the_first_names(tmp_path):
    state = torchvision.models.get_model(NET, weights=None).state_dict()
    state["head.weight"] = state.pop("fc.weight")
    state["fc.bias"] = torch.zeros(7)
    for name in [name for name in state if name.startswith("stage4")]:
        del state[name]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ParleyError) as caught:
        build(tmp_path, tmp_path / "other.pth")
    sentence = str(caught.value)
    for part in (
        f"other.pth does not fit {NET}",
        "it lacks stage4.0.branch1.0.weight, ",
        " more",
        "it also has head.weight",
        "it has the wrong shape for fc.bias ((7,), not (1000,))",
    ):
        assert part in sentence


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (torch.bool, "bool"),
        (torch.int8, "int8"),
        (torch.complex64, "complex64"),
        ("meta", "float32 without values"),
    ],
)
def test_weights_that_are_not_floats_are_refused(tmp_path, kind, named):
    state = torchvision.models.get_model(NET, weights=None).state_dict()
    torch.save(state | {"fc.bias": state["fc.bias"].to(kind)}, tmp_path / "own.pth")
    with pytest.raises(ParleyError, match=rf"does not fit {NET}: it does not store floats in fc.bias \({named}\)"):
        build(tmp_path, tmp_path / "own.pth")


@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda whole: whole[: len(whole) // 2], "it is cut off"),
        (lambda _: b"", "it is empty"),
        (lambda _: b"<html>login", "it is an HTML page"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer"),
    ],
)
def test_names_the_kind_of_a_file_without_weights(tmp_path, name, content, told):
    state = torchvision.models.get_model(NET, weights=None).state_dict()
    save = torch.save if name == "own.pth" else safetensors.torch.save_file
    save(state, tmp_path / name)
    (tmp_path / name).write_bytes(content((tmp_path / name).read_bytes()))
    with pytest.raises(ParleyError, match=rf"own.* cannot be loaded as plain tensors \({told}"):
        build(tmp_path, tmp_path / name)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("owned",)


@pytest.mark.parametrize(
    "content",
    [{"epoch": 3, "state_dict": {}}, [1, 2], Evil(), {"weight": Evil()}],
)
def test_other_files_of_torch_save_are_refused_without_running_code(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ParleyError, match=r"w\.pth"):
        build(tmp_path, tmp_path / "w.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"not a file of torch", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ParleyError, match=r"w\.safetensors cannot be loaded as plain tensors"):
        build(tmp_path, tmp_path / "w.safetensors")
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ParleyError, match=r"w\.pth cannot be loaded"):
        build(tmp_path, tmp_path / "w.pth")


def test_a_dictionary_that_contains_itself_is_refused(tmp_path):
    saved = {}
    saved["model"] = saved
    torch.save(saved, tmp_path / "own.pth")
    with pytest.raises(ParleyError, match=r"own\.pth"):
        build(tmp_path, tmp_path / "own.pth")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ParleyError, match=r"there is no file .*none\.pth"):
        build(tmp_path, tmp_path / "none.pth")


def test_unknown_networks_and_weights_come_with_a_hint(tmp_path):
    with pytest.raises(ParleyError, match="did you mean resnet34"):
        build(tmp_path, backbone="resnet43")
    with pytest.raises(ParleyError, match="it has IMAGENET1K_V1, IMAGENET1K_V2"):
        build(tmp_path, "IMAGENET1K_V3", "resnet50")
    # Detection networks are not classification networks.
    with pytest.raises(ParleyError, match="no classification network"):
        build(tmp_path, backbone="fasterrcnn_resnet50_fpn")


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Offline: requests go to a port on which no server listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_offline_errors_name_the_file_and_its_folder(tmp_path, offline):
    with pytest.raises(ParleyError) as caught:
        fetch_weights(feature_options("resnet34"), tmp_path / "weights")
    assert f"resnet34-b627a593.pth is not in {tmp_path / 'weights' / 'checkpoints'}" in str(caught.value)
    assert "put it there" in str(caught.value)
    assert not list((tmp_path / "weights" / "checkpoints").iterdir())


def test_published_weights_are_downloaded_like_other_files(tmp_path, web, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = f"file/tag+cut/1000/net-{hashlib.sha256(content(1000)).hexdigest()[:8]}.pth"
    monkeypatch.setattr(weights, "_published", lambda _: SimpleNamespace(url=web.url(path)))
    with pytest.raises(ParleyError, match=r"cannot be downloaded .*fetch\.allow_private_hosts"):
        fetch_weights(feature_options(), tmp_path)
    found = fetch_weights(feature_options(), tmp_path, allow_private_hosts=True)
    assert found == tmp_path / "checkpoints" / path.rsplit("/", 1)[1]
    assert found.read_bytes() == content(1000)
    assert web.ranges(path) == ["", "bytes=600-"]
    assert fetch_weights(feature_options(), tmp_path) == found
    monkeypatch.setattr(weights, "_published", lambda _: SimpleNamespace(url=web.url("file/tag/1000/net-00000000.pth")))
    with pytest.raises(ParleyError, match=r"net-00000000\.pth is not in .*its sha256 is .* not 00000000"):
        fetch_weights(feature_options(), tmp_path, allow_private_hosts=True)


def test_a_file_of_other_bytes_under_the_published_name_is_refused(tmp_path, offline):
    folder = tmp_path / "weights" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet34-b627a593.pth").write_bytes(b"other")
    with pytest.raises(ParleyError, match="is not the file that torchvision published"):
        build(tmp_path, "IMAGENET1K_V1", "resnet34")


def test_transforms_are_torchvisions(tmp_path):
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert published_transform(feature_options()) == Transform(256, 224, *imagenet)
    second = feature_options("resnet50", "IMAGENET1K_V2")
    assert published_transform(second) == Transform(232, 224, *imagenet)
    assert published_transform(feature_options("resnet50", "random")) == Transform(256, 224, *imagenet)
    assert published_transform(feature_options("swin_t", "random")).interpolation == "bicubic"


@pytest.mark.skipif("PARLEY_WEIGHTS" not in os.environ, reason="PARLEY_WEIGHTS names no file")
def test_real_weights_of_ones_own(tmp_path):
    network = build(tmp_path, os.environ["PARLEY_WEIGHTS"], "squeezenet1_0")
    raw = torch.load(os.environ["PARLEY_WEIGHTS"], weights_only=True)
    np.testing.assert_array_equal(network.features[0].weight.detach(), raw["features.0.weight"])
