"""The page's numbers are those of summary.csv and of messages.hdf5, counted here once more from its tables alone."""

import csv
import io
import json
import re
import tarfile

import h5py
import numpy as np
import pytest
from made_pages import build
from PIL import Image

SEEDS, STEPS, BITS, IMAGES, LABELS = (0, 1, 2), 4, 6, 7, ("cat", "dog", "owl", "eel")


def write_tar(path):
    """A tar with an image of each key that made-up conversations are about."""
    content = io.BytesIO()
    Image.new("RGB", (90, 60), "red").save(content, "PNG")
    with tarfile.open(path, "w") as tar:
        for target in range(len(LABELS)):
            for number in range(IMAGES):
                member = tarfile.TarInfo(f"{target:04d}{number:04d}".ljust(32, "a") + ".png")
                member.size = len(content.getvalue())
                tar.addfile(member, io.BytesIO(content.getvalue()))
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder of an experiment, its page, and what each seed's messages say."""
    folder = tmp_path_factory.mktemp("numbers")
    tars = [write_tar(folder / "all.tar")]
    text = build(folder, labels=LABELS, seeds=SEEDS, steps=STEPS, bits=BITS, images=IMAGES, extra={"image_tars": tars})
    return folder, text, [counted(folder / f"runs/adaptive/{seed}/messages.hdf5") for seed in SEEDS]


def entropy_bits(probabilities):
    """Sum of -p log2 p, zero where p is zero."""
    p = np.asarray(probabilities, dtype=np.float64)
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=-1)


def counted(path):
    """Count what a file of messages holds, conversation by conversation."""
    with h5py.File(path) as file:
        said, guessed, labels = file["Communication"][:], file["Predictions"][:], json.loads(file.attrs["labels"])
    found = {"right": [], "length": [], "target": [], "talking": [], "right_at": [], "undecided": [], "S": [], "R": []}
    for key in dict.fromkeys(guessed["ExampleId"].tolist()):
        own = np.sort(guessed[guessed["ExampleId"] == key], order="Index")
        length = int(own["StopMask"].sum())
        best = own["Predictions"].argmax(axis=1)
        odds = np.exp(own["Predictions"].astype(np.float64))
        target = labels[own["Target"][0]]
        found["target"].append(target)
        found["length"].append(length)
        found["right"].append(labels[best[length - 1]] == target)
        found["talking"].append(own["StopMask"])
        found["right_at"].append([labels[column] == target for column in best])
        found["undecided"].append(entropy_bits(odds / odds.sum(axis=1, keepdims=True)))
        for agent in ("S", "R"):
            rows = said[(said["ExampleId"] == key) & (said["AgentId"] == agent.encode())]
            p = np.sort(rows, order="Index")["BinaryProb"].astype(np.float64)
            found[agent].append(entropy_bits(np.stack([p, 1 - p], axis=-1)).sum(axis=-1))
    return {name: np.array(values) for name, values in found.items()}


def cells(text, table):
    """The numbers in <data> of each row of a table's body."""
    body = re.search(rf'<table class="{table}".*?<tbody>(.*?)</tbody>', text, re.DOTALL)[1]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)
    return np.array([[float(value) for value in re.findall(r'<data value="([^"]+)"', row)] for row in rows])


def test_the_headline_and_the_table_agree_with_the_messages(page):
    folder, text, seeds = page
    accuracy = np.mean([one["right"].mean() for one in seeds])
    with (folder / "summary.csv").open(newline="") as stream:
        rows = {(row["part"], row["metric"]): row for row in csv.DictReader(stream)}
    assert float(rows["test", "accuracy@1"]["mean"]) == pytest.approx(accuracy)
    assert float(rows["test", "length"]["mean"]) == pytest.approx(np.mean([one["length"].mean() for one in seeds]))
    big = re.search(r'<p class="big"><data value="([^"]+)">([^<]+)</data>', text)
    assert float(big[1]) == pytest.approx(accuracy)
    assert big[2] == f"{accuracy:.3f}"


def test_results_of_each_seed_agree_with_its_messages(page):
    _, text, seeds = page
    told = cells(text, "seeds")
    assert told[:, 0] == pytest.approx([one["right"].mean() for one in seeds])
    assert told[:, -1] == pytest.approx([one["length"].mean() for one in seeds])


def test_results_of_each_exchange_agree_with_the_messages(page):
    _, text, seeds = page
    names = ("talking", "right_at", "undecided", "S", "R")
    columns = [np.mean([one[name].mean(axis=0) for one in seeds], axis=0) for name in names]
    assert cells(text, "exchanges") == pytest.approx(np.array(columns).T, rel=1e-5)


def test_results_of_each_class_agree_with_the_messages_longest_first(page):
    _, text, seeds = page
    gallery = re.search(r'<ol class="gallery">(.*?)</ol>', text, re.DOTALL)[1]
    told = re.findall(r'<bdi>(\w+)</bdi><small><data value="([^"]+)">.*?<data value="([^"]+)">', gallery)
    for label, length, accuracy in told:
        own = [one["target"] == label for one in seeds]
        assert float(length) == pytest.approx(np.mean([s["length"][o].mean() for s, o in zip(seeds, own, strict=True)]))
        assert float(accuracy) == pytest.approx(
            np.mean([s["right"][o].mean() for s, o in zip(seeds, own, strict=True)])
        )
    assert sorted(label for label, _, _ in told) == sorted(LABELS)
    lengths = [float(length) for _, length, _ in told]
    assert lengths == sorted(lengths, reverse=True)


def test_each_class_has_one_thumbnail(page):
    _, text, _ = page
    names = re.findall(r'<span class="pic (p\d+)" role="img" aria-label="Image of (\w+)"></span><bdi>(\w+)</bdi>', text)
    assert sorted(said for _, said, _ in names) == sorted(LABELS)
    assert all(said == label for _, said, label in names)
    for name, _, _ in names:
        (uri,) = re.findall(rf"\.{name}\{{background-image:url\(data:image/jpeg;base64,([A-Za-z0-9+/=]+)\)\}}", text)
        assert len(uri) < 6000


def test_flipped_bits_agree_with_their_files(page):
    folder, text, _ = page
    files = [json.loads((folder / f"runs/adaptive/{seed}/flips.json").read_text()) for seed in SEEDS]
    rows = [[row for row in one["parts"]["test"]["rows"] if row["intervention"] == "flipped_bits"] for one in files]
    means = np.mean([[row["measures"]["accuracy@1"] for row in one] for one in rows], axis=0)
    counts = [row["value"] for row in rows[0]]
    said = [f"{mean:.3f} with {count}" for mean, count in zip(means[1:], counts[1:], strict=True)]
    flipped = f"{', '.join(said[:-1])} and {said[-1]} of the 6 bits of each message flipped"
    assert f"Accuracy@1 is {means[0]:.3f} if no bit of the Sender's messages is flipped. It is {flipped}" in text
