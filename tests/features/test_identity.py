import os
import re

import pytest

from parley.core.errors import ParleyError
from parley.features.options import check_weights, feature_options, features_id, weights_file_sha256

HALF = [0.5, 0.5, 0.5]


def test_settings_that_change_features_change_the_identifier():
    own = {"size": 227, "mean": HALF, "sd": HALF}
    options = [
        feature_options(),
        feature_options("resnet18"),
        feature_options(weights="IMAGENET1K_V2"),
        feature_options(weights="random"),
        feature_options(weights="random", seed=1),
        feature_options(preprocessing="original"),
        feature_options(preprocessing=own),
        feature_options(preprocessing=own | {"resize": 256}),
        feature_options(preprocessing=own | {"mean": [0.5, 0.5, 0.4]}),
        feature_options(layers=["pooled"]),
        feature_options(map_dtype="float16"),
    ]
    names = [features_id(each) for each in options]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(rf"{each.backbone}-[0-9a-f]{{8}}", name) for each, name in zip(options, names, strict=True))
    assert names == [features_id(each) for each in options]


def test_identifiers_of_torchvisions_networks_stay(tmp_path):
    half = {"size": 112, "mean": HALF, "sd": HALF}
    assert features_id(feature_options()) == "resnet34-a2ab8d14"
    assert features_id(feature_options(weights="IMAGENET1K_V1")) == "resnet34-a2ab8d14"
    assert features_id(feature_options(preprocessing="original")) == "resnet34-1414cf9c"
    assert features_id(feature_options("squeezenet1_0", "random", preprocessing=half)) == "squeezenet1_0-ce8c733d"


def test_identifiers_of_other_libraries_are_names_of_folders():
    names = [
        features_id(feature_options(*backbone))
        for backbone in [
            ("timm/test_vit.r160_in1k",),
            ("timm/test_vit", "random"),
            ("open_clip/ViT-B-32:laion2b_s34b_b79k",),
            ("open_clip/ViT-B-32:laion2b_e16",),
        ]
    ]
    assert len(set(names)) == 4
    assert names[0].startswith("timm-test_vit.r160_in1k-")
    assert names[2].startswith("open_clip-ViT-B-32-laion2b_s34b_b79k-")
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+-[0-9a-f]{8}", name) for name in names)


def test_a_seed_counts_for_random_weights_only():
    assert features_id(feature_options(seed=1)) == features_id(feature_options(seed=2))


def test_a_file_counts_by_its_bytes(tmp_path):
    for name, content in (("a.pth", b"one"), ("b.pth", b"one"), ("c.pth", b"two")):
        (tmp_path / name).write_bytes(content)
    first, same, other = (features_id(feature_options(weights=str(tmp_path / f"{name}.pth"))) for name in "abc")
    assert first == same != other
    (tmp_path / "a.pth").write_bytes(b"three")
    assert features_id(feature_options(weights=str(tmp_path / "a.pth"))) not in (first, other)


def test_a_file_is_hashed_again_only_when_it_changes(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"one")
    before, status = weights_file_sha256(path), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert weights_file_sha256(path) == before  # only modification time and size are compared
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert weights_file_sha256(path) != before


def test_missing_and_foreign_files_are_reported(tmp_path):
    options = feature_options(weights=str(tmp_path / "none.pth"))
    (finding,) = check_weights(options)
    assert "none.pth" in finding
    with pytest.raises(ParleyError, match=r"none\.pth"):
        features_id(options)
    assert check_weights(feature_options()) == check_weights(feature_options(weights="random")) == []
