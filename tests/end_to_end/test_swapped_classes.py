"""Another class set, group, description or k: the dry run and the server's log show only the work of what changed."""

import json
import shutil
import tarfile

import h5py
import pytest
from whole_lines import picture

pytestmark = pytest.mark.slow

NAMES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay", "koi"]
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


def write_class_set(project, name, names, group="g", description="a small"):
    rows = [
        f"{one}\tn{NAMES.index(one):08d}\t{'out' if one in ('gnu', 'hen') else 'in'}\t{group}\t{description} {one}"
        for one in names
    ]
    path = project.folder / f"{name}.tsv"
    path.write_text("class\twnid\tdomain\tgroup\tdescription\n" + "\n".join(rows) + "\n")
    return path.name


@pytest.fixture(scope="module")
def eight_classes(project, serve, tmp_path_factory):
    """Eight classes of a URL list, run to the selected checkpoints."""
    folder = tmp_path_factory.mktemp("pictures")
    server = serve(folder)
    # If ibis is in the class set, dog has one image less: the first of its seven, all of which are requested.
    lines = [f"n{NAMES.index('ibis'):08d}_99\t{server.address}/dog/0.jpg"]
    for number, name in enumerate(NAMES):
        (folder / name).mkdir()
        for index in range(PER_CLASS):
            if index != 4:
                (folder / name / f"{index}.jpg").write_bytes(picture(f"{name}{index}"))
            if name != "dog" or index not in (4, 8):
                lines.append(f"n{number:08d}_{index}\t{server.address}/{name}/{index}.jpg")
    (project.folder / "urls.txt").write_text("\n".join(lines) + "\n")
    config = project.write_config("first", classes=write_class_set(project, "eight", NAMES[:8]), **VALUES)
    project.snakemake("--cores", "2", "select", "splits", "data_card", config=config)
    assert len(server.requests()) == len(set(server.requests()))
    return config, server


@pytest.fixture
def first(project, eight_classes):
    """The same, with its class set and config as they were, whatever a test before has changed."""
    config, server = eight_classes
    write_class_set(project, "eight", NAMES[:8])
    project.write_config("first", classes="eight.tsv", **VALUES)
    project.snakemake("--cores", "2", "select", "splits", "data_card", config=config)
    return config, server


def files_of(project, experiment):
    """Content of what is made of a pool's images: hashes, tars and features' arrays, and the experiment's splits."""
    found = {}
    for kind in ("images", "hashes"):
        (pool,) = (project.folder / "resources" / kind).glob(f"{experiment}-*")
        for path in pool.glob("*.tar" if kind == "images" else "*.tsv"):
            found[kind, path.name] = path.read_bytes()
    results = project.folder / "results" / experiment
    found["splits"] = (results / "splits.tsv").read_bytes()
    for path in sorted(results.glob("*.hdf5")):
        with h5py.File(path) as file:
            found |= {(path.name, name): file[name][:].tobytes() for name in file}
    return found


def test_swapping_three_classes_requests_only_their_images(project, first, another_project):
    _, server = first
    names = ["ibis", *NAMES[3:8], "jay", "koi"]
    second = project.write_config("second", classes=write_class_set(project, "second", names), **VALUES)
    dry = project.snakemake("-n", "features", config=second)
    for what in ("Fetching the images", "Computing perceptual hashes of the images", "Extracting the features"):
        assert f"{what} of 3 classes, ibis to koi" in dry
        assert f"Reusing{what[what.index(' ') :]} of 5 classes, dog to hen" in dry
    jobs = project.jobs(second, "features")
    stages = ("fetch_images", "hash_images", "extract_features")
    made = {name: number for name, number in jobs.items() if name.startswith(stages)}
    assert made == {f"{stage}_{label}": 1 for stage in stages for label in ("0000", "reused")}
    before = server.requests()
    out = project.snakemake("--cores", "2", "features", config=second)
    assert f"5 classes of another image set, whose files are copied: {', '.join(NAMES[3:8])}" in out
    new = server.requests()[len(before) :]
    assert {path.split("/")[1] for path in new} == {"ibis", "jay", "koi"}
    assert len(new) == len(set(new))
    log = (project.folder / "results/second/logs/extract_features/0000.log").read_text()
    assert "images of 3 classes" in log
    assert project.planned(second, "features") == set()
    assert project.planned(first[0], "select", "splits", "data_card") == set()

    fresh = another_project()
    (fresh.folder / "urls.txt").write_text((project.folder / "urls.txt").read_text())
    alone = fresh.write_config("second", classes=write_class_set(fresh, "second", names), **VALUES)
    assert "fetch_images_reused" not in fresh.jobs(alone, "features")
    fresh.snakemake("--cores", "2", "features", config=alone)
    reused, whole = files_of(project, "second"), files_of(fresh, "second")
    assert reused.keys() == whole.keys()
    assert [name for name in whole if whole[name] != reused[name]] == []
    pools = [next((project.folder / "resources/images").glob(f"{name}-*")) for name in ("eight", "second")]
    assert [name for name in NAMES[3:8] if len({(pool / f"{name}.tsv").read_text() for pool in pools}) > 1] == ["dog"]

    for kind in ("images", "hashes", "features/*"):
        for pool in (project.folder / "resources").glob(f"{kind}/eight-*"):
            shutil.rmtree(pool)
    assert project.planned(second, "features") == set()
    asked = len(server.requests())
    project.snakemake("--cores", "2", "features", config=first[0])
    assert len(server.requests()) == asked
    log = (project.folder / "results/first/logs/extract_features/0000.log").read_text()
    assert "images of 3 classes" in log


@pytest.mark.parametrize("kind", ["tars", "manifest"])
def test_swapped_classes_of_other_sources_ask_for_the_new_ones(another_project, serve, tmp_path, kind):
    project = another_project()
    server = serve(tmp_path)
    rows = ["class\turl"]
    for name in NAMES[:4]:
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            for index in range(PER_CLASS):
                path = tmp_path / f"{name}_{index}.JPEG"
                path.write_bytes(picture(f"{name}{index}"))
                tar.add(path, path.name)
                rows.append(f"{name}\t{server.address}/{path.name}")
    (project.folder / "table.tsv").write_text("\n".join(rows) + "\n")
    sources = {"tars": {"url": server.address + "/{class}.tar"}, "manifest": {"path": "table.tsv"}}
    source = {"kind": kind, kind: sources[kind]}
    before = []
    for names in (NAMES[:3], NAMES[1:4]):
        before = server.requests()
        values = VALUES | {"source": source, "split": {"in": {"train": 4, "dev": 1, "test": 1}}}
        config = project.write_config(names[0], classes=write_class_set(project, names[0], names), **values)
        project.snakemake("--cores", "2", "splits", config=config)
        assert project.planned(config, "splits") == set()
    new = server.requests()[len(before) :]
    assert {path[1:].split(".")[0].split("_")[0] for path in new} == {"dog"}
    assert len(new) == len(set(new))


def stages(project, config):
    jobs = project.jobs(config, "select", "splits", "data_card")
    return {name.removesuffix("_0000") for name in jobs} - {"select", "splits", "data_card"}


@pytest.mark.parametrize("on_shortage", ["fail", "drop_class"])
def test_group_description_and_k_do_not_refetch(project, first, on_shortage):
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


def test_changed_k_retrains_only_if_it_selects(project, first):
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
