"""Another class set, group, description or k: the dry run and the server's log show only the work of what changed."""

import hashlib
import io
import json

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

NAMES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"]
PER_CLASS = 9
VALUES = {
    "source": {"kind": "url_list", "url_list": {"locations": ["urls.txt"]}},
    "split": {"in": {"train": 4, "dev": 1, "test": 1}, "out": {"ood": 2}},
    "fetch": {"allow_private_hosts": True},
    "features": {"backbone": "resnet18", "weights": "random", "preprocessing": "custom", "custom": {"size": 64}},
    "words": {"source": "random"},
    "game": {"message_bits": 4, "max_exchanges": 2},
    "training": {"steps": 4, "batch_size": 4, "dev_every": 2, "first_checkpoint": 2},
    "selection": {"rule": "accuracy@1"},
    "seeds": [1, 2],
    "evaluation": {"k": 2},
}
CLASS_FILES = {"fetch_images", "hash_images", "extract_features"}


def picture(name):
    noise = b"".join(hashlib.sha256(f"{name}{number}".encode()).digest() for number in range(6))
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), noise).resize((48, 48)).save(out, "JPEG")
    return out.getvalue()


def write_class_set(project, name, names, group="g", description="a small"):
    rows = [
        f"{one}\tn{NAMES.index(one):08d}\t{'out' if one in ('gnu', 'hen') else 'in'}\t{group}\t{description} {one}"
        for one in names
    ]
    path = project.folder / f"{name}.tsv"
    path.write_text("class\twnid\tdomain\tgroup\tdescription\n" + "\n".join(rows) + "\n")
    return path.name


@pytest.fixture(scope="module")
def first(project, serve, tmp_path_factory):
    """Eight classes of a URL list, run to the selected checkpoints."""
    folder = tmp_path_factory.mktemp("pictures")
    server = serve(folder)
    lines = []
    for number, name in enumerate(NAMES):
        (folder / name).mkdir()
        for index in range(PER_CLASS):
            if index != 4:
                (folder / name / f"{index}.jpg").write_bytes(picture(f"{name}{index}"))
            lines.append(f"n{number:08d}_{index}\t{server.address}/{name}/{index}.jpg")
    (project.folder / "urls.txt").write_text("\n".join(lines) + "\n")
    config = project.write_config("first", classes=write_class_set(project, "eight", NAMES[:8]), **VALUES)
    project.snakemake("--cores", "2", "select", "splits", "data_card", config=config)
    return config, server


def stages(project, config):
    jobs = project.jobs(config, "select", "splits", "data_card")
    return {name.removesuffix("_0000") for name in jobs} - {"select", "splits", "data_card"}


@pytest.mark.parametrize("on_shortage", ["fail", "drop_class"])
def test_another_group_description_or_k_makes_no_image_and_no_feature_again(project, first, on_shortage):
    config = project.write_config(
        "first", classes="eight.tsv", **VALUES | {"fetch": {**VALUES["fetch"], "on_shortage": on_shortage}}
    )
    assert not stages(project, config) & CLASS_FILES
    project.snakemake("--cores", "2", "select", "splits", "data_card", config=config)
    before = {path: path.stat().st_mtime_ns for path in (project.folder / "results/first/runs").rglob("best.pt")}
    assert len(before) == 2
    write_class_set(project, "eight", NAMES[:8], group="h")
    assert stages(project, config) == {"write_classes", "write_data_card"}
    config.write_text(config.read_text().replace("k: 2", "k: 3"))
    assert stages(project, config) == {"write_classes", "write_data_card"}
    project.snakemake("--cores", "2", "select", "splits", "data_card", config=config)
    assert stages(project, config) == set()
    assert "\th\t" in (project.folder / "results/first/classes.tsv").read_text()
    assert "evaluate_run" in project.planned(config, "evaluate")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    write_class_set(project, "eight", NAMES[:8], group="h", description="a very small")
    assert stages(project, config) == {
        *("write_classes", "write_data_card", "build_descriptions", "embed_words", "train_run", "select_checkpoint")
    }
    write_class_set(project, "eight", NAMES[:8])
    project.snakemake("--cores", "2", "select", "splits", "data_card", config=config)


def test_the_k_of_the_dev_results_is_that_of_the_finished_seeds_unless_it_selects(project, first):
    config, _ = first
    text = config.read_text()
    config.write_text(text.replace("k: 2", "k: 3").replace("- 2\n", "- 2\n- 3\n"))
    assert project.jobs(config, "train")["train_run"] == 1
    project.snakemake("--cores", "2", "select", config=config)
    runs = project.folder / "results/first/runs/adaptive"
    assert {json.loads(path.read_text())["k"] for path in runs.glob("*/config.json")} == {2}
    for rule in ("accuracy@k", "earliest_within_1se"):
        config.write_text(config.read_text().replace("rule: accuracy@1", f"rule: {rule}"))
        assert project.jobs(config, "train")["train_run"] == 3
        config.write_text(config.read_text().replace("k: 3", "k: 2"))
        assert project.jobs(config, "select").keys() == {"select_checkpoint", "select"}
        config.write_text(text.replace("k: 2", "k: 3").replace("- 2\n", "- 2\n- 3\n"))
    config.write_text(config.read_text().replace("dev_every", "patience: 1\n  dev_every"))
    assert project.jobs(config, "train")["train_run"] == 3
    config.write_text(text)
