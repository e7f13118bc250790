"""A crate contains files that may be redistributed, lists the others by hash, and the library `rocrate` reads it."""

import hashlib
import json
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from made_history import record, write
from rocrate.rocrate import ROCrate

from parley.cli.main import main
from parley.core.files import sha256_of
from parley.provenance.document import write_provenance
from parley.provenance.records import write_record

DEPOSIT = ["--author", "Ann Example", "--author", "Bo Example", "--license", "CC-BY-4.0"]


@pytest.fixture
def experiment(history):
    """The small history with a config, pictures, features and pages that show pictures."""
    made = {
        "config": "config.yaml",
        "part": "test.hdf5",
        "words": "words.hdf5",
        "page": "report.html",
        "odd": "figures/a b é.svg",
    }
    for name in made.values():
        write(Path("results/e", name), f"of {name}")
    write(Path("resources/images/p/ant.tar"), "pictures")
    write_record(record("fetch_images_0000", {}, {"tars": ["resources/images/p/ant.tar"]}, 3))
    inputs = {"tars": ["resources/images/p/ant.tar"], "table": ["resources/table.tsv"]}
    write_record(record("end", inputs, {role: [f"results/e/{name}"] for role, name in made.items()}, 4))
    write_provenance("results/e")
    return history


@pytest.fixture
def packed(experiment, capsys):
    def pack(*more, out="e.zip"):
        assert main(["crate", "results/e", "--out", out, *more]) == 0
        capsys.readouterr()
        return Path(out)

    return pack


def entities(path):
    with zipfile.ZipFile(path) as crate:
        return {one["@id"]: one for one in json.loads(crate.read("ro-crate-metadata.json"))["@graph"]}


def test_rocrate_reads_the_crate_and_its_hashes_match(packed, tmp_path):
    crate = ROCrate(packed(*DEPOSIT))
    assert crate.name == "e: an experiment in emergent communication"
    assert crate.license["@id"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert [one["name"] for one in crate.root_dataset["author"]] == ["Ann Example", "Bo Example"]
    assert "ComputationalWorkflow" in crate.mainEntity.type
    assert crate.mainEntity["license"]["@id"].endswith("/BSD-3-Clause")
    assert crate.mainEntity["programmingLanguage"]["name"] == "Snakemake"
    run = crate.root_dataset["mentions"]
    assert run.type == "CreateAction"
    assert run["instrument"] == crate.mainEntity
    assert (run["startTime"], run["endTime"]) == ("2026-11-26T06:01:00.000+00:00", "2026-11-26T06:04:00.000+00:00")
    names = {one["name"] for one in run["result"]}
    assert {"results/e/sum.txt", "results/e/pages/one.html", "results/e/test.hdf5"} <= names
    assert {one["name"] for one in run["object"]} == {"results/e/config.yaml", "words.txt"}
    crate.write(tmp_path / "unpacked")
    included = [one for one in crate.data_entities if not one.id.startswith("ni:")]
    assert len(included) > 100
    with zipfile.ZipFile("e.zip") as packed_files:
        for one in included:
            content = packed_files.read(unquote(one.id))
            assert hashlib.sha256(content).hexdigest() == one["sha256"], one.id
            assert len(content) == int(one["contentSize"])


def test_every_reference_resolves_and_every_file_is_a_part(packed):
    found = entities(packed())
    parts = {one["@id"] for one in found["./"]["hasPart"]}
    assert parts == {name for name, one in found.items() if "File" in one["@type"]}

    def references(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if set(value) == {"@id"} else references(list(value.values()))
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    outside = {"https://w3id.org/ro/crate/1.1"}
    elsewhere = ("doi.org", "readthedocs", "bioschemas.org")
    outside |= {name for name in references(list(found.values())) if any(site in name for site in elsewhere)}
    for one in found.values():
        assert set(references([value for key, value in one.items() if key != "@id"])) <= set(found) | outside


def test_images_features_and_pages_with_images_are_listed_but_not_included(packed):
    path = packed()
    found = {one.get("name"): one for one in entities(path).values()}
    included = set(zipfile.ZipFile(path).namelist())
    for name in ("resources/images/p/ant.tar", "results/e/test.hdf5", "results/e/report.html", "words.txt"):
        assert name not in included
        assert found[name]["sha256"] == sha256_of(name)
        assert found[name]["@id"].startswith("ni:///sha-256;")
        assert "not in this crate" in found[name]["description"]
    for name in (
        "results/e/words.hdf5",
        "results/e/sum.txt",
        "results/e/provenance.json",
        "results/e/figures/a b é.svg",
    ):
        assert name in included
    assert "results/e/figures/a%20b%20%C3%A9.svg" in entities(path)
    readme = zipfile.ZipFile(path).read("README.md").decode()
    assert readme.count("\n- `") == 4
    assert "- `resources/images/p/ant.tar`\n" in readme
    assert "4 files are not included and are listed only by their hash" in entities(path)["./"]["description"]


def test_pictures_includes_everything(packed):
    included = set(zipfile.ZipFile(packed("--pictures")).namelist())
    assert {"resources/images/p/ant.tar", "results/e/test.hdf5", "results/e/report.html", "words.txt"} <= included


def test_pages_with_drawn_images_are_included(experiment, packed):
    write(Path("resources/world/w/urls.txt"), "x")
    write_record(record("draw_world", {}, {"urls": ["resources/world/w/urls.txt"]}))
    inputs = {"urls": ["resources/world/w/urls.txt"]}
    write_record(record("fetch_images_0000", inputs, {"tars": ["resources/images/p/ant.tar"]}, 3))
    write_provenance("results/e")
    included = zipfile.ZipFile(packed()).namelist()
    assert "results/e/report.html" in included
    assert "resources/images/p/ant.tar" not in included


def test_an_unpacked_crate_can_be_explained_and_verified(packed, tmp_path, monkeypatch, capsys):
    zipfile.ZipFile(packed("--pictures")).extractall(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["verify", "results/e"]) == 0
    assert main(["explain", "results/e/sum.txt"]) == 0
    assert "words.txt  given" in capsys.readouterr().out


def test_files_that_differ_from_provenance_json_are_refused(experiment, capsys):
    before = Path("results/e/sum.txt").read_text()
    for edit, why in [
        (lambda: Path("results/e/sum.txt").write_text("9"), "differs from provenance.json"),
        (lambda: Path("results/e/sum.txt").unlink(), "does not exist any more"),
        (lambda: write(Path("results/e/stray.txt"), "x"), "does not list 1 files"),
        (lambda: Path("results/e/provenance.json").unlink(), "does not exist"),
    ]:
        edit()
        assert main(["crate", "results/e", "--out", "e.zip"]) == 1
        assert why in capsys.readouterr().err
        assert not Path("e.zip").exists()
        assert not list(Path().glob(".e.zip*"))
        Path("results/e/sum.txt").write_text(before)
