"""Open every output that a finished experiment promises; stop at the first that is amiss."""

import csv
import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path
from urllib.parse import unquote

import h5py
import yaml
from pyarrow import parquet

LAYERS = {"avgpool_512": 3, "layer4_2": 5, "fc": 3}
FIGURES_AT_LEAST = 7


def check(folder: Path) -> None:
    """Open all that an experiment promises."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    parts = promised_parts(config)
    resnet34 = config["features"]["backbone"] == "resnet34"
    for part in parts:
        with h5py.File(folder / f"{part}.hdf5") as file:
            rows = len(file["Target"])
            assert rows == len(file["Location"]) == len(file["Key"]) == len(file["Sha256"]), part
            for layer, dimensions in LAYERS.items() if resnet34 else ():
                assert file[layer].shape[0] == rows, (part, layer)
                assert file[layer].ndim == dimensions, (part, layer)
    check_tables(folder)
    for run in config["runs"]:
        for seed in config["seeds"]:
            check_run(folder / "runs" / run["name"] / str(seed), parts)
    check_pages(folder)
    check_browser(folder, config)
    check_provenance(folder)


def promised_parts(config: dict) -> list[str]:
    """Return the splits that an experiment's classes and counts promise."""
    with Path(config["classes"]).open(newline="") as stream:
        domains = {row["domain"] for row in csv.DictReader(stream, delimiter="\t")}
    return [part for domain in ("in", "out", "transfer") if domain in domains for part in config["split"][domain]]


def check_tables(folder: Path) -> None:
    """Open the tables of the data line."""
    for name, columns in [("plan.tsv", 4), ("splits.tsv", 4), ("images.tsv", 8), ("words_missing.tsv", 1)]:
        header = (folder / name).read_text().splitlines()[0].split("\t")
        assert len(header) >= columns, name
    with (folder / "descriptions.csv").open(newline="") as stream:
        assert all(len(row) == 3 for row in csv.reader(stream))
    with (folder / "summary.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert len(rows) == len(json.loads((folder / "summary.json").read_text())["rows"])
    check_learning(rows)
    assert json.loads((folder / "funnel.json").read_text())["classes"]
    assert (folder / "data_card.md").read_text().startswith("# Data card: ")
    pools = Path("resources/images")
    tars = list(pools.glob("*/*.tar"))
    assert tars
    for path in tars:
        with tarfile.open(path) as tar:
            assert tar.getnames(), path
        assert path.with_suffix(".tsv").read_text().startswith("url\tkey\tstatus\terror_class"), path


def check_learning(rows: list[dict]) -> None:
    """Check that the default run learned: its 95 % intervals over five seeds lie above chance."""
    found = {(row["part"], row["metric"]): row for row in rows}
    for part, least in [("test", 0.25), ("ood_alone", 1 / 6)]:
        row = found[part, "accuracy@1"]
        assert row["n_seeds"] == "5", row
        assert row["beats_chance"] == "yes", row
        assert float(row["low"]) > least, row


def check_run(folder: Path, parts: list[str]) -> None:
    """Open what a run left."""
    for name in ("config.json", "selection.json", "evaluation.json", "flips.json", "analysis.json"):
        json.loads((folder / name).read_text())
    assert [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert list((folder / "checkpoints").glob("*.pt"))
    assert (folder / "best.pt").stat().st_size > 0
    unseen = [f"{part}_alone" for part in parts if part in ("ood", "transfer")]
    names = ["messages.hdf5" if part == "test" else f"messages.{part}.hdf5" for part in [*parts, *unseen]]
    for name in names:
        with h5py.File(folder / name) as file:
            assert len(file["Communication"]) == 2 * len(file["Predictions"]), name


def check_pages(folder: Path) -> None:
    """Open the report and the figures."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert 'src="http' not in page
    for place in ('class="tiles"', 'class="gallery"', 'class="exchanges"', 'id="stages"', 'id="flipped-bits-adaptive"'):
        assert place in page, place
    for link in re.findall(r'href="([^"#][^"]*)"', page):
        assert (folder / unquote(link)).exists(), link
    for suffix, start in [("svg", b"<?xml"), ("pdf", b"%PDF")]:
        figures = list((folder / "figures").glob(f"*.{suffix}"))
        assert len(figures) >= FIGURES_AT_LEAST, suffix
        assert all(path.read_bytes().startswith(start) for path in figures), suffix


def check_browser(folder: Path, config: dict) -> None:
    """Open the page of all conversations: every run, seed and split is in it, whole."""
    path = folder / "browser.html"
    page = path.read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert "http://" not in page
    assert "https://" not in page
    assert path.stat().st_size < 1e6 * config["browser"]["max_mb"]
    index = json.loads(page.partition('id="index">')[2].partition("</script>")[0])
    there = {(one["run"], str(one["seed"]), one["part"]): one for one in index["sets"]}
    files = list(folder.glob("runs/*/*/messages*.hdf5"))
    assert len(there) == len(files)
    for file in files:
        part = file.name.removesuffix(".hdf5").partition(".")[2] or "test"
        one = there[file.parts[-3], file.parts[-2], part]
        assert one["failed"] is None, one
        assert one["shown"] == one["total"], one


def check_provenance(folder: Path) -> None:
    """Hold every file to the hash that provenance.json has of it, and see that each was made by a job on record."""
    told = json.loads((folder / "provenance.json").read_text())
    made = {one["prov:entity"]: one["prov:activity"] for one in told["wasGeneratedBy"].values()}
    for name, facts in told["entity"].items():
        path = Path(name.removeprefix("path:"))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == facts["parley:sha256"], path
        assert facts["parley:state"] == "as its job left it", path
        assert told["activity"][made[name]]["parley:code"], path
    assert f"path:{folder / 'report.html'}" in made
    assert {one.get("parley:commit", "") for one in told["agent"].values()} != {"unknown", ""}


def check_requested(folder: Path) -> None:
    """Open what is made on request, and hold it to what the default run must be."""
    language = _rows(folder / "language.csv", "metric")
    attributes = ("topographic_similarity_attributes", "positional_disentanglement")
    for metric in ("accuracy@1", "information", "topographic_similarity", *attributes):
        found = language["test", metric]
        assert float(found["largest_p"]) < 0.01, found
        assert float(found["mean"]) > float(found["null_high"]), found
    done = _rows(folder / "interventions.csv", "intervention", "value", "metric")
    accuracy = float(_rows(folder / "summary.csv", "metric")["test", "accuracy@1"]["mean"])
    for seed in range(1, 6):
        of_seed = folder / f"runs/adaptive/{seed}"
        flips = json.loads((of_seed / "flips.json").read_text())["parts"]["test"]["rows"]
        every = json.loads((of_seed / "interventions.json").read_text())["parts"]["test"]["rows"]
        assert flips == [row for row in every if row["intervention"] in ("none", "flipped_bits")], seed
    assert abs(float(done["test", "none", "", "accuracy@1"]["mean"]) - accuracy) < 1e-6
    assert float(done["test", "all_messages", "", "accuracy@1"]["mean"]) < accuracy / 4
    difficulty = json.loads((folder / "difficulty.json").read_text())
    assert difficulty["parts"]["test"]["accuracy"] > accuracy
    assert _rows(folder / "exchanges.csv", "metric")
    agreed = _rows(folder / "agreement.csv", "metric")
    for metric in ("answer_kappa", "length_correlation", "message_similarity"):
        found = agreed["test", metric]
        assert float(found["mean"]) > float(found["null_high"]), found
    claims = json.loads((folder / "claims.json").read_text())["rows"]
    assert {row["n_seeds"] for row in claims} == {5}, claims
    assert (folder / "claims.md").read_text().count("\n") == 2 + len(claims)
    assert (folder / "tables/main.tex").read_text().count("\\toprule") == 1
    messages = parquet.read_metadata(folder / "export/messages.parquet")
    with h5py.File(folder / "runs/adaptive/1/messages.hdf5") as file:
        assert messages.num_rows > 5 * len(file["Communication"])
    assert len(list((folder / "export/emlangkit").glob("*.npz"))) == 5 * 5
    assert list((folder / "export/elcc").glob("systems/*/data/*/corpus.jsonl"))


def _rows(path: Path, *columns: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Read a tidy table by its split and other columns."""
    with path.open(newline="") as stream:
        return {(row["part"], *(row[column] for column in columns)): row for row in csv.DictReader(stream)}


if __name__ == "__main__":
    checks = {"": check, "requested": check_requested}
    checks["".join(sys.argv[2:])](Path(sys.argv[1]))
    sys.stdout.write(f"All outputs of {sys.argv[1]} exist and open.\n")
