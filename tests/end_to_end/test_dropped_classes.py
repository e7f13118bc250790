"""A class that stays short is dropped, and all that follows is about the classes that are left."""

import csv
import io
import json
import random

import h5py
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

COMMON = {
    "split": {"in": {"train": 3, "dev": 1, "test": 1}, "out": {"ood": 2}},
    "features": {"backbone": "resnet18", "weights": "random", "preprocessing": "custom", "custom": {"size": 64}},
    "game": {"message_bits": 4, "max_exchanges": 2},
    "training": {"steps": 4, "batch_size": 4, "dev_every": 2, "first_checkpoint": 2},
    "seeds": [1],
    "words": {"source": "random"},
}
# Class, domain, number of pictures. The set's order is not the labels', and dropped classes stand between.
CLASSES = [("yak", "out", 0), ("ant", "in", 8), ("cat", "in", 4), ("emu", "out", 8), ("bee", "in", 8), ("fox", "in", 8)]


def picture(name):
    noise = random.Random(name).randbytes(8 * 8 * 3)
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), noise).resize((64, 64), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def dropped(project):
    """An experiment with a class that is short and one without any picture, run to its report."""
    lines = ["class\twnid\tdomain\tgroup\tdescription"]
    for name, domain, number in CLASSES:
        folder = project.folder / "pictures" / name
        folder.mkdir(parents=True)
        for index in range(number):
            (folder / f"{index}.png").write_bytes(picture(f"{name}{index}"))
        lines.append(f"{name}\t\t{domain}\tbeasts\ta {name} as {name}s are")
    (project.folder / "beasts.tsv").write_text("\n".join(lines) + "\n")
    source = {"kind": "folder", "folder": {"root": "pictures"}}
    values = {"classes": "beasts.tsv", "source": source, **COMMON}
    config = project.write_config(
        "dropped", **values, fetch={"margin": 0, "on_shortage": "drop_class"}, evaluation={"k": 2}
    )
    project.snakemake("--cores", "2", config=config)
    strict = project.write_config("strict", **values, fetch={"margin": 0, "on_shortage": "drop_class"})
    return project.folder / "results/dropped", strict


def test_the_class_set_is_that_of_the_classes_left(dropped):
    lines = (dropped[0] / "classes.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["class", "ant", "emu", "bee", "fox"]
    assert lines[1] == "ant\t\tin\tbeasts\ta ant as ants are"


def test_labels_are_contiguous_and_the_same_everywhere(dropped):
    results, _ = dropped
    labels = ["ant", "bee", "fox", "emu"]
    with (results / "descriptions.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert [(row[0], row[1]) for row in rows] == [(str(label), name) for label, name in enumerate(labels)]
    for part, wanted, each in (("train", [0, 1, 2], 3), ("dev", [0, 1, 2], 1), ("test", [0, 1, 2], 1), ("ood", [3], 2)):
        with h5py.File(results / f"{part}.hdf5") as file:
            assert list(file["Target"]) == [label for label in wanted for _ in range(each)]
            assert json.loads(file.attrs["classes"]) == labels
            assert [one.split(b"/")[0].decode() for one in file["Location"]] == [
                labels[target] for target in file["Target"]
            ]
    with h5py.File(results / "runs/adaptive/1/messages.ood.hdf5") as file:
        assert json.loads(file.attrs["labels"]) == labels
    parts = json.loads((results / "runs/adaptive/1/evaluation.json").read_text())["parts"]
    assert (parts["test"]["candidates"], parts["ood"]["candidates"], parts["ood_alone"]["candidates"]) == (3, 4, 1)
    assert parts["test"]["k"] == 2


def test_counts_and_page_say_which_were_dropped_and_why(dropped):
    funnel = json.loads((dropped[0] / "funnel.json").read_text())
    assert set(funnel["dropped_classes"]) == {"cat", "yak"}
    assert funnel["classes"]["cat"]["dropped"] is True
    assert funnel["kept"] == 17
    page = (dropped[0] / "report.html").read_text(encoding="utf-8")
    for name in ("cat", "yak"):
        for sentence in funnel["dropped_classes"][name]:
            assert sentence.replace("'", "&#39;") in page


def test_k_must_suit_the_classes_that_are_left(project, dropped):
    # Four in-domain classes are configured, of which three are left.
    text = dropped[1].read_text()
    dropped[1].write_text(text + "evaluation:\n  k: 4\n")
    out = project.snakemake("--cores", "2", "splits", config=dropped[1], ok=False)
    assert "After dropping classes: Config: evaluation.k is 4, but there are only 3" in out
