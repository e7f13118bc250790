"""Real photographs, served over HTTP and listed as in 2011, through every stage to a report.

PARLEY_PHOTOS names a folder with a folder a class and classes.tsv (wnid, folder, name, group, photos),
PARLEY_WEIGHTS a state dict of SqueezeNet 1.0, PARLEY_GLOVE a file of word vectors. WordNet 3.0 is
Debian's. .ci/run sets them where it finds the data.
"""

import csv
import hashlib
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

NEEDED = ("PARLEY_PHOTOS", "PARLEY_WEIGHTS", "PARLEY_GLOVE")
pytestmark = [
    pytest.mark.skipif(not os.environ.get("PARLEY_LONG"), reason="takes minutes; PARLEY_LONG=1 runs it"),
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(os.environ.get(name) for name in NEEDED) or not Path("/usr/share/wordnet/data.noun").exists(),
        reason=f"needs real data ({', '.join(NEEDED)}) and Debian's wordnet-base",
    ),
]
OUT_OF_DOMAIN = 6


def domains(rows):
    """Insects are another kind; of the rest, the classes whose wnids have the lowest SHA-256 are kept apart."""
    kin = sorted((row["wnid"] for row in rows if row["group"] != "insect"), key=lambda wnid: digest(wnid))
    out = set(kin[:OUT_OF_DOMAIN])
    return {
        row["wnid"]: "transfer" if row["group"] == "insect" else "out" if row["wnid"] in out else "in" for row in rows
    }


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def photographs(project, serve):
    photos = Path(os.environ["PARLEY_PHOTOS"])
    with (photos / "classes.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    server = serve(photos)
    domain = domains(rows)
    urls = project.folder / "urls.txt"
    with urls.open("w") as stream:
        for row in rows:
            for number, path in enumerate(sorted((photos / row["folder"]).glob("*.jpg"))):
                stream.write(f"{row['wnid']}_{number}\t{server.address}/{row['folder']}/{path.name}\n")
            # As real lists do, it has dead links: one class in two has a few.
            if int(digest(row["wnid"]), 16) % 2:
                stream.writelines(f"{row['wnid']}_{n}\t{server.address}/dead/{row['wnid']}/{n}.jpg\n" for n in (90, 91))
    table = [
        "class\twnid\tdomain\tgroup",
        *(f"{r['name']}\t{r['wnid']}\t{domain[r['wnid']]}\t{r['group']}" for r in rows),
    ]
    (project.folder / "photos.tsv").write_text("\n".join(table) + "\n")
    config = project.write_config(
        "photographs",
        classes="photos.tsv",
        source={"kind": "url_list", "url_list": {"locations": ["urls.txt"]}},
        split={"in": {"train": 20, "dev": 8, "test": 8}, "out": {"ood": 30}, "transfer": {"transfer": 30}},
        fetch={"margin": 0.05, "allow_private_hosts": True},
        features={
            "backbone": "squeezenet1_0",
            "weights": os.environ["PARLEY_WEIGHTS"],
            "preprocessing": "custom",
            "custom": {"size": 227, "mean": [123 / 255, 117 / 255, 104 / 255], "sd": [1 / 255] * 3},
            "layers": ["pooled"],
        },
        words={"source": os.environ["PARLEY_GLOVE"], "unknown": "random"},
        training={"steps": 750, "learning_rate": 0.001, "dev_every": 250, "first_checkpoint": 250},
        seeds=[1, 2],
        evaluation={"k": 6},
    )
    project.snakemake("--cores", "2", config=config)
    return project.folder / "results/photographs", server, config, rows, domain


def evaluations(results):
    return [json.loads(path.read_text())["parts"] for path in sorted(results.glob("runs/adaptive/*/evaluation.json"))]


def test_accuracy_is_well_above_chance_on_seen_and_unseen_classes(photographs):
    results, *_ = photographs
    for parts in evaluations(results):
        assert parts["test"]["accuracy@1"] > 8 * parts["test"]["chance@1"]
        assert parts["test"]["accuracy@k"] > 3 * parts["test"]["chance@k"]
        assert parts["ood_alone"]["candidates"] == OUT_OF_DOMAIN
        assert parts["transfer"]["candidates"] == parts["test"]["candidates"] + parts["transfer_alone"]["candidates"]
        assert parts["ood_alone"]["accuracy@1"] > parts["ood_alone"]["chance@1"]


def test_every_part_has_its_counts_and_no_bytes_twice(photographs):
    results, _, _, rows, domain = photographs
    splits = [line.split("\t") for line in (results / "splits.tsv").read_text().splitlines()[1:]]
    counts = {}
    for name, _, part, _ in splits:
        counts[name, part] = counts.get((name, part), 0) + 1
    wanted = {"in": {"train": 20, "dev": 8, "test": 8}, "out": {"ood": 30}, "transfer": {"transfer": 30}}
    expected = {(row["name"], part): n for row in rows for part, n in wanted[domain[row["wnid"]]].items()}
    assert counts == expected
    hashes = [sha256 for *_, sha256 in splits]
    assert len(hashes) == len(set(hashes))


def test_every_row_is_the_photograph_that_it_says_it_is(photographs):
    """By bytes: the file on disk whose hash a row carries lies in the folder of the row's class."""
    results, _, _, rows, _ = photographs
    photos = Path(os.environ["PARLEY_PHOTOS"])
    folder_of = {hashlib.sha256(path.read_bytes()).hexdigest(): path.parent.name for path in photos.glob("*/*.jpg")}
    folders = {row["name"]: row["folder"] for row in rows}
    with (results / "descriptions.csv").open(newline="") as stream:
        names = {int(label): name for label, name, _ in csv.reader(stream)}
    for part in ("train", "test", "ood", "transfer"):
        with h5py.File(results / f"{part}.hdf5") as file:
            for target, sha256 in zip(file["Target"][:], file["Sha256"][:], strict=True):
                assert folder_of[sha256.decode()] == folders[names[int(target)]]


def test_messages_agree_with_the_evaluation(photographs):
    results, *_ = photographs
    run = results / "runs/adaptive/1"
    parts = json.loads((run / "evaluation.json").read_text())["parts"]
    for part, name in [("test", "messages.hdf5"), ("ood", "messages.ood.hdf5"), ("transfer", "messages.transfer.hdf5")]:
        with h5py.File(run / name) as file:
            table, ids = file["Predictions"][:], file.attrs["candidate_ids"]
        examples = table.reshape(parts[part]["n"], -1)
        last = examples["StopMask"].sum(1) - 1
        final = examples[np.arange(len(examples)), last]
        right = ids[final["Predictions"].argmax(1)] == final["Target"]
        assert right.mean() == pytest.approx(parts[part]["accuracy@1"])
        assert (last + 1).mean() == pytest.approx(parts[part]["length"])


def test_glosses_are_wordnets(photographs):
    results, *_ = photographs
    with (results / "descriptions.csv").open(newline="") as stream:
        glosses = {name: text for _, name, text in csv.reader(stream)}
    assert glosses["lion"] == (
        "large gregarious predatory feline of Africa and India having a tawny coat with a shaggy mane in the male"
    )


def test_every_url_was_asked_for_once_and_running_again_asks_for_none(photographs, project):
    _, server, config, *_ = photographs
    asked = server.requests()
    assert len(asked) == len(set(asked))
    assert "Nothing to be done" in project.snakemake("--cores", "2", config=config)
    assert server.requests() == asked


def test_the_report_is_one_page_that_asks_for_nothing(photographs):
    results, *_ = photographs
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "northern_oriole" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
