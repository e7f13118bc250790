"""Licences of a table of pictures reach the data card, and only the card follows a change of what is carried."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from parley.core.tables import read_table

pytestmark = pytest.mark.slow

NAMES = ["ant", "bee"]


@pytest.fixture(scope="module")
def table(project):
    rows = ["class\tpath\tLicence\tauthor\tnote"]
    for name in NAMES:
        (project.folder / "pictures" / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng([len(rows), number]).integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(project.folder / "pictures" / name / f"{number}.png")
            rows.append(f"{name}\t{name}/{number}.png\tCC BY {number % 2}\tJane | Doe\tn{number}")
    (project.folder / "table.tsv").write_text("\n".join(rows) + "\n")
    classes = ["class\twnid\tdomain\tdescription", *(f"{name}\t\tin\ta small {name}" for name in NAMES)]
    (project.folder / "classes.tsv").write_text("\n".join(classes) + "\n")


def config_of(project, **manifest):
    return project.write_config(
        "cards",
        classes="classes.tsv",
        source={"kind": "manifest", "manifest": {"path": "table.tsv", "local_root": "pictures", **manifest}},
        split={"in": {"train": 3, "dev": 1, "test": 1}},
        fetch={"margin": 0, "near_copies": "ignore"},
        training={"batch_size": 4},
        evaluation={"k": 1},
    )


def test_the_card_and_its_table(project, table):
    project.snakemake("--cores", "1", "data_card", config=config_of(project))
    results = project.folder / "results/cards"
    images = read_table(results / "images.tsv", ["class", "key", "part", "sha256", "url", "Licence", "author"])
    assert len(images) == 10
    for row in images:
        content = (project.folder / "pictures" / row["url"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["Licence"] == f"CC BY {int(row['url'][4]) % 2}"
    card = (results / "data_card.md").read_text()
    assert "| Jane &#124; Doe | 10 |" in card
    assert "note" not in images[0]


def test_carried_columns_affect_only_the_data_card(project, table):
    assert project.planned(config_of(project, carry=["note"]), "data_card") == {"data_card", "write_data_card"}
    out = project.snakemake("--cores", "1", "data_card", config=config_of(project, carry=["nota"]), ok=False)
    assert "source.manifest.carry has 'nota', but table.tsv has no column of this name; correct the name." in out
    assert "Writing the data card" not in out
    project.snakemake("--cores", "1", "data_card", config=config_of(project, carry=["note"]))
    assert "note" in read_table(project.folder / "results/cards/images.tsv", ["key"])[0]
