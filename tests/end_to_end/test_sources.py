"""Every kind of source reaches the splits; ready-made features enter at training, with all presets."""

import csv
import hashlib
import io
import json
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

NAMES = ["ant", "bee"]
COMMON = {
    "split": {"in": {"train": 3, "dev": 1, "test": 1}},
    "fetch": {"margin": 0},
    "features": {"backbone": "resnet18", "weights": "random"},
    "training": {"batch_size": 4},
    "evaluation": {"k": 1},
}

LOOPBACK = COMMON | {"fetch": {"margin": 0, "allow_private_hosts": True}}


def picture(name):
    noise = b"".join(hashlib.sha256(f"{name}{number}".encode()).digest() for number in range(6))
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), noise).resize((48, 48)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def pictures(project):
    folder = project.folder / "pictures"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for index in range(5):
            (folder / name / f"{index}.png").write_bytes(picture(f"{name}{index}"))
    table = ["class\twnid\tdomain\tgroup\tdescription", *(f"{name}\t\tin\t\ta small {name}" for name in NAMES)]
    (project.folder / "classes.tsv").write_text("\n".join(table) + "\n")
    return folder


def hashes_of_splits(project, experiment):
    rows = [row.split("\t") for row in (project.folder / f"results/{experiment}/splits.tsv").read_text().splitlines()]
    return {(row[0], row[3]) for row in rows[1:]}


EVERY_PICTURE = {(name, hashlib.sha256(picture(f"{name}{index}")).hexdigest()) for name in NAMES for index in range(5)}


def test_a_folder_a_class(project, pictures):
    source = {"kind": "folder", "folder": {"root": "pictures"}}
    config = project.write_config("folder", classes="classes.tsv", source=source, **COMMON)
    project.snakemake("--cores", "2", "splits", config=config)
    assert hashes_of_splits(project, "folder") == EVERY_PICTURE


def test_images_that_could_not_be_read_are_read_below_another_root(project, pictures):
    """Links that lead out of the root are refused, whether or not the same files have been used as they are."""
    for name in NAMES:
        (project.folder / "links" / name).mkdir(parents=True)
        for image in (pictures / name).iterdir():
            (project.folder / "links" / name / image.name).symlink_to(image)
    for number, (root, is_read) in enumerate([("links", False), ("pictures", True), ("links", False)]):
        source = {"kind": "folder", "folder": {"root": root}}
        config = project.write_config(f"root{number}", classes="classes.tsv", source=source, **COMMON, seed=7)
        out = project.snakemake("--cores", "2", "splits", config=config, ok=is_read)
        assert ("0 images of the 3 needed, after trying 3 of 3 candidates (3 outside_root)" in out) == (not is_read)
    assert hashes_of_splits(project, "root1") == EVERY_PICTURE


@pytest.fixture(scope="module")
def tars(project, pictures):
    folder = project.folder / "tars"
    folder.mkdir()
    for name in NAMES:
        with tarfile.open(folder / f"{name}.tar", "w") as tar:
            tar.add(pictures / name, arcname=".")
    return folder


@pytest.fixture(scope="module")
def splits_of_tars(project, tars):
    """The splits of local tars."""
    source = {"kind": "tars", "tars": {"root": "tars"}}
    config = project.write_config("tars", classes="classes.tsv", source=source, **COMMON)
    project.snakemake("--cores", "2", "splits", config=config)
    return splits(project, "tars")


@pytest.mark.usefixtures("splits_of_tars")
def test_a_tar_a_class(project):
    assert hashes_of_splits(project, "tars") == EVERY_PICTURE


def test_a_dataset_of_torchvision_to_features(project, pictures):
    folder = project.folder / "data/oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    lines = []
    for label, name in enumerate(NAMES, start=1):
        for index in range(5):
            # Their suffix is .jpg, whatever they are.
            (folder / f"images/{name}_{index}.jpg").write_bytes(picture(f"{name}{index}"))
            lines.append(f"{name}_{index} {label} 1 1\n")
    (folder / "annotations/trainval.txt").write_text("".join(lines[::2]))
    (folder / "annotations/test.txt").write_text("".join(lines[1::2]))
    dataset = {"dataset": "OxfordIIITPet", "arguments": [{"split": "trainval"}, {"split": "test"}], "root": "data"}
    source = {"kind": "torchvision", "torchvision": dataset}
    config = project.write_config("pets", classes="classes.tsv", source=source, **COMMON)
    assert {"download_dataset", "select_classes"} <= project.planned(config)
    project.snakemake("--cores", "2", "features", "data_card", config=config)
    assert hashes_of_splits(project, "pets") == EVERY_PICTURE
    with h5py.File(project.folder / "results/pets/train.hdf5") as file:
        assert file["avgpool_512"].shape == (6, 1, 512)
    card = (project.folder / "results/pets/data_card.md").read_text()
    assert "torchvision.datasets.OxfordIIITPet" in card
    assert "datasets.html" in card
    assert project.planned(config, "features") == set()
    dataset["arguments"] = {"split": "val"}
    config = project.write_config("pets", classes="classes.tsv", source=source, **COMMON)
    assert "Unknown value 'val' for argument split" in project.snakemake("-n", config=config, ok=False)


def test_attributes_of_a_matrix(project, pictures):
    texts = {"m": "7.5 80\n0 0\n60 9\n", "c": "1 001.Bee\n2 002.Cow\n3 003.Ant\n", "p": "1 red\n2 big\n"}
    for name, text in texts.items():
        (project.folder / f"{name}.txt").write_text(text)
    source = {"kind": "folder", "folder": {"root": "pictures"}}
    matrix = {"attributes": "m.txt", "attribute_classes": "c.txt", "attribute_names": "p.txt"}

    def config(**more):
        values = {**COMMON, "evaluation": {"k": 1, **matrix, **more}}
        return project.write_config("matrix", classes="classes.tsv", source=source, **values)

    target = "results/matrix/attributes.tsv"
    out = project.snakemake("-n", target, config=config(), ok=False)
    assert "m.txt, row 1 has the number 7.5; set evaluation.attribute_threshold" in out
    out = project.snakemake("-n", target, config=config(attributes=None), ok=False)
    assert "evaluation.attribute_names belongs to a matrix, evaluation.attributes, which is not set; set" in out
    given = config(attribute_threshold=50)
    project.snakemake("--cores", "1", target, config=given)
    assert (project.folder / target).read_text() == "class\tred\tbig\nant\t1\t0\nbee\t0\t1\n"
    assert project.planned(given, target) == set()
    project.snakemake("--cores", "1", target, config=config(attribute_threshold=5))
    assert (project.folder / target).read_text() == "class\tred\tbig\nant\t1\t1\nbee\t1\t1\n"


def test_attributes_of_a_matrix_reach_the_table_and_the_report(project):
    animals = {"ape": "90 9 0 60", "bat": "80 70 0 60", "cat": "4 51 0 60", "dog": "0 0 99 60", "elk": "88 7 66 60"}
    for name in animals:
        (project.folder / "animals" / name).mkdir(parents=True)
        for index in range(6):
            (project.folder / f"animals/{name}/{index}.png").write_bytes(picture(f"{name}{index}"))
    seen = [f"{name}\t\t{'out' if name in ('dog', 'elk') else 'in'}\t\ta {name} on {name}land" for name in animals]
    table = "\n".join(["class\twnid\tdomain\tgroup\tdescription", *seen])
    files = {"animals.tsv": table, "matrix.txt": "\n".join(animals.values()), "names.txt": "\n".join(animals)}
    for name, text in (files | {"columns.txt": "red\nbig\nwild\nalive"}).items():
        (project.folder / name).write_text(f"{text}\n")
    matrix = {"attributes": "matrix.txt", "attribute_classes": "names.txt", "attribute_names": "columns.txt"}
    config = project.write_config(
        "animals",
        classes="animals.tsv",
        source={"kind": "folder", "folder": {"root": "animals"}},
        split={"in": {"train": 2, "dev": 2, "test": 2}, "out": {"ood": 6}},
        fetch={"margin": 0},
        features={"backbone": "resnet18", "weights": "random", "layers": ["pooled"]},
        game={"message_bits": 8, "max_exchanges": 2},
        training={"steps": 4, "batch_size": 6, "dev_every": 2, "first_checkpoint": 2},
        seeds=[1, 2],
        evaluation={"k": 1, **matrix, "attribute_threshold": 50},
    )
    project.snakemake("--cores", "2", "report", "language", config=config)
    with (project.folder / "results/animals/language.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "topographic_similarity_attributes"]
    found = {row["part"]: row for row in rows}
    assert set(found) == {"dev", "test", "ood", "ood_alone"}
    assert all(-1 <= float(row["mean"]) <= 1 and row["n_seeds"] == "2" for row in rows)
    # Two unseen classes are as far apart whichever attributes are whose.
    assert float(found["ood"]["largest_p"]) == float(found["ood_alone"]["largest_p"]) == 1
    page = (project.folder / "results/animals/report.html").read_text(encoding="utf-8")
    assert "Topographic similarity, to attributes" in page
    assert "similar for classes that share many attributes" in page


def splits(project, experiment):
    return (project.folder / f"results/{experiment}/splits.tsv").read_text()


def test_remote_tars_match_local_tars(project, tars, splits_of_tars, serve):
    server = serve(tars)
    urls = [f"{server.address}/none/{{class}}.tar", f"{server.address}/{{class}}.tar"]
    source = {"kind": "tars", "tars": {"url": urls}}
    config = project.write_config("address", classes="classes.tsv", source=source, **LOOPBACK)
    project.snakemake("--cores", "2", "splits", config=config)
    assert splits(project, "address") == splits_of_tars
    asked = server.requests()
    assert sorted(asked) == ["/ant.tar", "/bee.tar", "/none/ant.tar", "/none/bee.tar"]
    assert not list(project.folder.glob("resources/archives/*/*.tar"))
    config = project.write_config("address2", classes="classes.tsv", seed=2, source=source, **LOOPBACK)
    project.snakemake("--cores", "2", "splits", config=config)
    assert hashes_of_splits(project, "address2") == EVERY_PICTURE
    assert server.requests() == asked


def test_a_tar_of_tars_gives_the_splits_of_the_tars(project, tars, splits_of_tars):
    with tarfile.open(project.folder / "all.tar", "w") as tar:
        tar.add(tars, "train")
    source = {"kind": "tars", "tars": {"root": "all.tar"}}
    config = project.write_config("nested", classes="classes.tsv", source=source, **COMMON)
    project.snakemake("--cores", "2", "splits", config=config)
    assert splits(project, "nested") == splits_of_tars


@pytest.fixture(scope="module")
def archives(project, pictures):
    """A zip and a tgz of all pictures, and of others that the template leaves out, in a folder of their own."""
    folder = project.folder / "archives"
    folder.mkdir()
    with zipfile.ZipFile(folder / "set.zip", "w") as archive, tarfile.open(folder / "set.tgz", "w:gz") as tar:
        for path in sorted(pictures.glob("*/*")):
            for part in ("train", "other"):
                archive.write(path, f"set/{part}/{path.parent.name}/{path.name}")
                tar.add(path, f"set/{part}/{path.parent.name}/{path.name}")
    return folder


def test_a_zip_is_read_in_place(project, archives):
    source = {"kind": "archive", "archive": {"locations": ["archives/set.zip"], "members": "set/train/{class}/*"}}
    config = project.write_config("zip", classes="classes.tsv", source=source, **COMMON)
    project.snakemake("--cores", "2", "features", config=config)
    assert hashes_of_splits(project, "zip") == EVERY_PICTURE
    assert not list(project.folder.glob("resources/archives/*/set.*"))
    assert project.planned(config, "features") == set()


def test_a_tgz_by_address_is_downloaded_once(project, archives, serve):
    server = serve(archives)
    locations = [f"{server.address}/{name}" for name in ("none.tgz", "set.tgz")]
    source = {"kind": "archive", "archive": {"locations": locations, "members": ["set/train/{class}/*"]}}
    config = project.write_config("tgz", classes="classes.tsv", source=source, **LOOPBACK)
    project.snakemake("--cores", "2", "splits", config=config)
    assert hashes_of_splits(project, "tgz") == EVERY_PICTURE
    config = project.write_config("tgz2", classes="classes.tsv", seed=2, source=source, **LOOPBACK)
    project.snakemake("--cores", "2", "splits", config=config)
    assert server.requests() == ["/none.tgz", "/set.tgz"]


def test_names_in_an_archive_do_not_control_the_terminal(project, pictures):
    with tarfile.open(project.folder / "evil.tar", "w") as tar:
        for name in ("\x1b[2J\u202e", "b\udce4r"):
            tar.addfile(tarfile.TarInfo(f"set/{name}/a.png"))
    source = {"kind": "archive", "archive": {"locations": ["evil.tar"], "members": ["set/{class}/*"]}}
    config = project.write_config("evil", classes="classes.tsv", source=source, **COMMON)
    told = project.snakemake("--cores", "1", "splits", config=config, ok=False)
    told += (project.folder / "results/evil/logs/list_archives.log").read_text()
    assert told.count(r"such as \x1b[2J\u202e, b\udce4r)") >= 4
    assert not {"\x1b", "\u202e"} & set(told)
    assert "Traceback" not in told


def test_a_manifest_of_paths(project, pictures):
    rows = [f"{name}\t{name}/{index}.png" for name in NAMES for index in range(5)]
    (project.folder / "manifest.tsv").write_text("class\tpath\n" + "\n".join(rows) + "\n")
    source = {"kind": "manifest", "manifest": {"path": "manifest.tsv", "local_root": "pictures"}}
    config = project.write_config("manifest", classes="classes.tsv", source=source, **COMMON)
    project.snakemake("--cores", "2", "splits", config=config)
    assert hashes_of_splits(project, "manifest") == EVERY_PICTURE


def test_paths_of_a_list_are_read_only_below_the_root(project, pictures):
    rows = [f"{name}\t../{name}/{index}.png" for name in NAMES for index in range(5)]
    (project.folder / "outside.tsv").write_text("class\tpath\n" + "\n".join(rows) + "\n")
    source = {"kind": "manifest", "manifest": {"path": "outside.tsv", "local_root": "pictures/ant"}}
    config = project.write_config("outside", classes="classes.tsv", source=source, **COMMON)
    out = project.snakemake("--cores", "2", "splits", config=config, ok=False)
    assert "outside_root" in out


RUNS = [
    {"name": "fixed", "game": {"preset": "Fixed"}},
    {"name": "adaptive", "game": {"preset": "Adaptive", "mix": "mou", "reward": "paper", "receiver_baseline": "paper"}},
    {"name": "fixed-attention", "game": {"preset": "FixedAttention"}},
    {"name": "adaptive-attention", "game": {"preset": "AdaptiveAttention", "description_attention": True}},
]


@pytest.fixture(scope="module")
def original(project):
    """Files with the names of the 2017 code and nothing of ours, and an experiment on them; label ids have gaps."""
    ids = [3, 11, 12, 40, 2**31 - 1]
    folder = project.folder / "given"
    folder.mkdir()
    draw = np.random.default_rng(0)
    prototypes = draw.normal(size=(5, 512)).astype(np.float32)
    for part, labels, each in [
        ("train", [0, 1, 2], 8),
        ("dev", [0, 1, 2], 3),
        ("test", [0, 1, 2], 4),
        ("ood", [3, 4], 4),
    ]:
        targets = np.repeat(labels, each)
        maps = prototypes[targets][:, None, :, None, None] + draw.normal(size=(len(targets), 1, 512, 2, 2))
        with h5py.File(folder / f"{part}.hdf5", "w") as file:
            file["Target"] = np.array(ids)[targets]
            file["Location"] = np.array([f"{part}/{row}.jpg".encode() for row in range(len(targets))])
            file["layer4_2"] = maps.astype(np.float32)
            file["avgpool_512"] = np.maximum(maps, 0).mean((3, 4)).astype(np.float32)
            file["fc"] = draw.normal(size=(len(targets), 1, 1000)).astype(np.float32)
    text = ["a red bird", "a blue fish with fins", "a green frog", "a red fish", "a blue frog with spots"]
    rows = "".join(f"{label},class{label},{words}\n" for label, words in zip(ids, text, strict=True))
    (folder / "descriptions.csv").write_text(rows)
    parts = {part: f"given/{part}.hdf5" for part in ("train", "dev", "test", "ood")}
    config = project.write_config(
        "original",
        source={"kind": "features", "features": {**parts, "descriptions": "given/descriptions.csv"}},
        game={"message_bits": 4, "max_exchanges": 3},
        training={"steps": 4, "batch_size": 8, "dev_every": 2, "first_checkpoint": 2},
        runs=RUNS,
        seeds=[1],
        evaluation={"k": 2},
    )
    project.snakemake("--cores", "2", config=config)
    return project.folder / "results/original"


@pytest.mark.parametrize("run", [run["name"] for run in RUNS])
def test_each_preset_trains_and_talks_on_the_originals_files(original, run):
    parts = json.loads((original / "runs" / run / "1/evaluation.json").read_text())["parts"]
    assert set(parts) == {"train", "dev", "test", "ood", "ood_alone"}
    assert (parts["test"]["candidates"], parts["ood"]["candidates"], parts["ood_alone"]["candidates"]) == (3, 5, 2)
    with h5py.File(original / "runs" / run / "1/messages.hdf5") as file:
        assert len(file["Predictions"]) == 12 * 3
        assert file["Communication"].dtype["BinaryVec"].shape == (4,)
        if run.startswith("fixed"):
            assert np.all(file["Predictions"]["StopMask"] == 1)


def test_the_summary_has_a_row_for_each_run_part_and_metric(original):
    with (original / "summary.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["run"] for row in rows} == {run["name"] for run in RUNS}
    for run in RUNS:
        own = {(row["part"], row["metric"]) for row in rows if row["run"] == run["name"]}
        assert {(part, "accuracy@1") for part in ("train", "dev", "test", "ood", "ood_alone")} <= own
    # One seed has no spread: the cells are empty, neither zero nor "nan".
    assert {row["sd"] for row in rows} == {row["low"] for row in rows} == {""}


def test_the_report_names_every_run(original):
    page = (original / "report.html").read_text(encoding="utf-8")
    for run in RUNS:
        assert f"Run {run['name']}" in page


VECTORS = {"fc": "logits", "clip_b32": "clip_b32"}
"""The only dataset of vectors in a file, and the `game.image_layer` that names it."""


def given_vectors(project, name, dev_labels=(0, 1)):
    """Write feature files with one dataset of vectors, and a config without `game.image_layer`."""
    folder = project.folder / f"given-{name}"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for part, labels in (("train", (0, 1)), ("dev", dev_labels), ("test", (0, 1))):
        targets = np.repeat(labels, 8)
        with h5py.File(folder / f"{part}.hdf5", "w") as file:
            file["Target"], file["Location"] = targets, np.array([f"{part}/{row}".encode() for row in range(16)])
            file[name] = (targets[:, None] + draw.normal(size=(16, 8))).astype(np.float32)
    (folder / "descriptions.csv").write_text("0,ant,a small ant\n1,bee,a loud bee\n2,cat,a grey cat\n3,dog,a red dog\n")
    parts = {part: f"{folder.name}/{part}.hdf5" for part in ("train", "dev", "test")}
    return {
        "source": {"kind": "features", "features": {**parts, "descriptions": f"{folder.name}/descriptions.csv"}},
        "training": {"steps": 2, "batch_size": 8, "dev_every": 1, "first_checkpoint": 1},
        "seeds": [1],
        "evaluation": {"k": 1},
    }


@pytest.mark.parametrize("name", list(VECTORS))
def test_only_the_layers_that_runs_use_are_needed(project, name):
    values = given_vectors(project, name)
    missing = project.write_config(f"without-{name}", **values, game={"message_bits": 4, "max_exchanges": 2})
    out = project.snakemake("--cores", "2", config=missing, ok=False)
    assert f"given-{name}/train.hdf5 has no avgpool_512; it has Location, Target, {name}." in out
    assert "Finished jobid" not in out
    assert not (project.folder / f"results/without-{name}/train.hdf5").exists()
    game = {"message_bits": 4, "max_exchanges": 2, "image_layer": VECTORS[name]}
    config = project.write_config(f"with-{name}", **values, game=game)
    project.snakemake("--cores", "2", "report", "metrics", config=config)
    results = project.folder / f"results/with-{name}"
    assert json.loads((results / "difficulty.json").read_text())["layer"] == VECTORS[name]
    assert (results / "report.html").is_file()


@pytest.mark.parametrize("among", ["own", "all"])
def test_a_dev_split_of_other_classes_has_no_classifier(project, among):
    values = given_vectors(project, f"dev_{among}", dev_labels=(2, 3))
    values["training"]["dev_candidates"] = among
    game = {"message_bits": 4, "max_exchanges": 2, "image_layer": f"dev_{among}"}
    config = project.write_config(f"dev-{among}", **values, game=game)
    project.snakemake("--cores", "2", "metrics", "claims", config=config)
    results = project.folder / f"results/dev-{among}"
    dev = json.loads((results / "runs/adaptive/1/evaluation.json").read_text())["parts"]["dev"]
    assert dev["candidates"] == {"own": 2, "all": 4}[among]
    assert "length_with_difficulty" not in (results / "claims.csv").read_text()
    out = project.snakemake("--cores", "2", "difficulty", config=config, ok=False)
    told = "contains images of label 2, 3, which"
    assert told in out
    assert "the linear classifier cannot be used on it" in out
    assert "Traceback" not in out
