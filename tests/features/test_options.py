import json
import subprocess
import sys

import pytest

from parley.core.errors import ParleyError
from parley.features.options import Transform, feature_options

OWN = {"size": 227, "mean": [0.5, 0.4, 0.3], "sd": [1, 0.5, 0.25]}


def test_defaults_are_the_papers_network_with_corrected_preprocessing():
    options = feature_options()
    assert (options.backbone, options.weights, options.transform) == ("resnet34", "IMAGENET1K_V1", None)
    assert options.layers == ("pooled", "map", "logits")


def test_original_is_the_2017_code():
    half = (0.5, 0.5, 0.5)
    assert feature_options(preprocessing="original").transform == Transform(227, 227, half, half, pooled_cells=7)
    for resnet in ("resnext50_32x4d", "wide_resnet50_2"):
        assert feature_options(resnet, preprocessing="original").transform.pooled_cells == 7
    assert feature_options("squeezenet1_0", preprocessing="original").transform.pooled_cells is None


def test_custom_preprocessing():
    options = feature_options(preprocessing=OWN)
    assert options.rule == "custom"
    assert options.transform == Transform(227, 227, (0.5, 0.4, 0.3), (1, 0.5, 0.25))
    larger = feature_options(preprocessing=OWN | {"resize": 256, "interpolation": "bicubic", "pooled_cells": 6})
    assert larger.transform == Transform(256, 227, (0.5, 0.4, 0.3), (1, 0.5, 0.25), "bicubic", 6)


@pytest.mark.parametrize(
    ("weights", "kind"),
    [("random", "random"), ("IMAGENET1K_SWAG_E2E_V1", "torchvision"), ("a/b.pth", "file"), ("weights", "file")],
)
def test_kinds_of_weights(weights, kind):
    assert feature_options(weights=weights).weights_kind == kind


@pytest.mark.parametrize(
    ("backbone", "weights", "expected"),
    [
        ("timm/vit_tiny_patch16_224.augreg_in21k", None, ("hub", "augreg_in21k")),
        ("open_clip/ViT-B-32:laion2b_s34b_b79k", None, ("hub", "laion2b_s34b_b79k")),
        ("timm/test_vit", "random", ("random", "random")),
        ("timm/test_vit", "TINY", ("refused", "is no network of torchvision, whose weights TINY are")),
        ("timm/test_vit", "own.pth", ("file", "own.pth")),
        ("open_clip/RN50", "own.safetensors", ("file", "own.safetensors")),
        ("timm/test_vit", None, ("refused", "names no weights; write timm/test_vit.<weights>")),
        ("open_clip/RN50", None, ("refused", "names no weights; write open_clip/RN50:<weights>")),
        ("timm/test_vit.r160_in1k", "random", ("refused", "names its weights, but features.weights is random; ")),
        ("open_clip/RN50:openai", "own.pth", ("refused", "or features.backbone to open_clip/RN50.")),
        ("timm/", "random", ("refused", "or timm/<network>.<weights>, or open_clip/<network>:<weights>")),
        ("keras/x", None, ("refused", "or timm/<network>.<weights>, or open_clip/<network>:<weights>")),
        ("timm/test_vit:r160_in1k", None, ("refused", "or timm/<network>.<weights>")),
    ],
)
def test_weights_are_named_once(backbone, weights, expected):
    kind, told = expected
    if kind == "refused":
        with pytest.raises(ParleyError) as caught:
            feature_options(backbone, weights)
        assert told in str(caught.value)
    else:
        options = feature_options(backbone, weights)
        assert (options.weights_kind, options.weights) == expected


@pytest.mark.parametrize(
    "preprocessing",
    [
        "paper",
        {"size": 227},
        OWN | {"size": 0},
        OWN | {"size": True},
        OWN | {"resize": 226},
        OWN | {"sd": [1, 1, 0]},
        OWN | {"mean": [1, 1]},
        OWN | {"mean": "abc"},
        OWN | {"interpolation": "nearest"},
        OWN | {"crop": 224},
        OWN | {"pooled_cells": 0},
    ],
)
def test_invalid_preprocessing_is_refused(preprocessing):
    with pytest.raises(ParleyError, match=r"features\."):
        feature_options(preprocessing=preprocessing)


def test_corner_pooling_is_for_resnets():
    with pytest.raises(ParleyError, match="for ResNets only"):
        feature_options("vgg11", preprocessing=OWN | {"pooled_cells": 3})


def test_all_findings_at_once():
    with pytest.raises(ParleyError) as caught:
        feature_options("../x", "DEFAULT", 0, "paper", ["map", "conv1"], "float64")
    assert len(caught.value.findings) == 5


def test_options_and_identity_import_no_torch_and_no_numpy():
    code = (
        "import sys, parley.features.options;"
        "assert not {'torch', 'torchvision', 'numpy', 'h5py', 'PIL', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_layers_keep_one_order():
    assert feature_options(layers=["logits", "pooled"]).layers == ("pooled", "logits")
    assert json.dumps(feature_options(layers=["map"]).layers) == '["map"]'
