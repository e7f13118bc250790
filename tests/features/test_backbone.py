import json

import pytest
import torch
import torchvision

from parley.core.errors import ParleyError
from parley.features.backbone import load_backbone
from parley.features.options import feature_options

IMAGENET = (torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225]))
HALF = (torch.tensor([0.5, 0.5, 0.5]),) * 2


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return torchvision.models.resnet34(weights=None).eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "size", "statistics", "cells"), [("original", 227, HALF, 7), ("corrected", 224, IMAGENET, None)]
)
def test_a_resnets_features_equal_those_of_a_plain_walk(tmp_path, network, plain_resnet, rule, size, statistics, cells):
    pixels = torch.randint(0, 256, (3, 3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mean, sd = (values.reshape(1, 3, 1, 1) for values in statistics)
    expected = plain_resnet(network, (pixels / 255 - mean) / sd, cells)
    backbone = load_backbone(feature_options("resnet34", "random", 3, rule), tmp_path, "cpu")
    for batch_size in (1, 3):
        found = [backbone.features(batch) for batch in pixels.split(batch_size)]
        for role, values in expected.items():
            ours = torch.cat([features[role] for features in found])
            assert ours.shape == values.shape
            assert (ours - values).abs().max() <= 1e-5 * values.abs().max()
    side = 8 if rule == "original" else 7
    assert backbone.layers["map"].shape == (512, side, side)


@pytest.mark.slow
def test_the_originals_pooling_differs_from_the_mean_over_all_cells(tmp_path):
    pixels = torch.randint(0, 256, (1, 3, 227, 227), dtype=torch.uint8)
    features = load_backbone(feature_options("resnet18", "random", 0, "original"), tmp_path, "cpu").features(pixels)
    rectified = features["map"].relu()
    torch.testing.assert_close(features["pooled"], rectified[:, :, :7, :7].mean((2, 3)), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(features["pooled"], rectified.mean((2, 3)), rtol=1e-2)


def test_only_the_layers_asked_for(tmp_path):
    options = feature_options("squeezenet1_0", "random", layers=["pooled"])
    backbone = load_backbone(options, tmp_path, "cpu")
    features = backbone.features(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))
    assert {role: tuple(value.shape) for role, value in features.items()} == {"pooled": (2, 512)}
    assert "map" not in backbone.attributes


def test_attributes_say_where_the_numbers_come_from(tmp_path):
    torch.manual_seed(0)
    network = torchvision.models.get_model("shufflenet_v2_x0_5", weights=None)
    torch.save(network.state_dict(), tmp_path / "own.pth")
    options = feature_options("shufflenet_v2_x0_5", str(tmp_path / "own.pth"))
    own = load_backbone(options, tmp_path, "cpu").attributes
    random = load_backbone(feature_options("shufflenet_v2_x0_5", "random"), tmp_path, "cpu").attributes
    assert own["weights_sha256"] == random["weights_sha256"]
    assert (own["weights"], random["weights"]) == ("own.pth", "random, seed 0")
    assert len(own["weights_file_sha256"]) == 64
    assert (own["pooled"], own["map"], own["logits"]) == ("mean_1024", "conv5", "fc")
    assert json.loads(own["preprocessing"])["crop_px"] == 224
    assert own["torch"] == torch.__version__
    assert all(type(value) is str for value in own.values())


def test_invalid_settings_are_errors(tmp_path):
    options = feature_options("shufflenet_v2_x0_5", "random")
    with pytest.raises(ParleyError, match="'tpu'; it must be one of"):
        load_backbone(options, tmp_path, "tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ParleyError, match="torch finds no GPU"):
            load_backbone(options, tmp_path, "cuda")
