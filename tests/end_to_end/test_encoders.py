"""Networks of timm and open_clip, with random weights, from drawn images to results, and what is refused of them."""

import importlib.util

import h5py
import pytest
from tiny_runs import TINY, write_classes

pytestmark = pytest.mark.slow

ATTENDING = [{"name": "adaptive"}, {"name": "cells", "game": {"preset": "FixedAttention"}}]
NO_CONTEXT = [ATTENDING[0], {"name": "cells", "game": {"preset": "FixedAttention", "attention_context": False}}]


@pytest.fixture(autouse=True)
def _classes(project):
    write_classes(project.folder)


def needs(library):
    return pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=f"needs {library}")


@pytest.mark.parametrize(
    ("backbone", "runs", "shapes"),
    [
        pytest.param(
            "timm/test_vit",
            ATTENDING,
            {"pooled": (1, 64), "map": (1, 64, 10, 10), "logits": (1, 1000)},
            marks=needs("timm"),
        ),
        pytest.param(
            "timm/test_efficientnet",
            ATTENDING,
            {"pooled": (1, 256), "map": (1, 256, 5, 5), "logits": (1, 1000)},
            marks=needs("timm"),
        ),
        pytest.param(
            "open_clip/ViT-S-32-alt", NO_CONTEXT, {"pooled": (1, 256), "map": (1, 384, 7, 7)}, marks=needs("open_clip")
        ),
    ],
)
def test_from_drawn_images_to_results(project, backbone, runs, shapes):
    name = backbone.split("/")[1].lower()
    features = {"backbone": backbone, "weights": "random", "map_dtype": "float16"}
    config = project.write_config(name, **{**TINY, "features": features, "runs": runs, "seeds": [1]})
    project.snakemake("--cores", "2", config=config)
    results = project.folder / "results" / name
    with h5py.File(results / "train.hdf5") as file:
        found = {role: file[file.attrs[role]].shape[1:] for role in ("pooled", "map", "logits") if role in file.attrs}
        assert found == shapes
        assert file.attrs["backbone"] == backbone
    for run in ("adaptive", "cells"):
        assert (results / f"runs/{run}/1/evaluation.json").is_file()
    assert project.jobs(config) == {}
    [image] = sorted((project.folder / "resources/world").glob("*/*/*.png"))[:1]
    assert "answer: " in project.parley("talk", str(image), "--run", "adaptive", "--results", str(results))


@needs("open_clip")
def test_attention_to_logits_that_a_network_lacks_is_refused(project):
    features = {"backbone": "open_clip/ViT-S-32-alt", "weights": "random"}
    config = project.write_config("refused", **{**TINY, "features": features, "runs": ATTENDING})
    out = project.snakemake("-n", config=config, ok=False)
    assert "Run 'cells' needs logits, which open_clip/ViT-S-32-alt does not have; set game.attention_context" in out


@needs("timm")
def test_weights_that_cannot_be_had_are_refused_before_any_job(project, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(project.folder / "no-cache"))
    config = project.write_config("offline", **{**TINY, "features": {"backbone": "timm/test_vit.r160_in1k"}})
    out = project.snakemake("--cores", "1", config=config, ok=False)
    assert "run `hf download timm/test_vit.r160_in1k model.safetensors`" in out
    assert "Finished jobid" not in out
