"""Exports and tables of an experiment with bits, with numbers, and with a run that diverges."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from tiny_runs import TINY

import parley
from parley.synthetic.attributes import ATTRIBUTES

pytestmark = pytest.mark.slow
RUNS = [
    {"name": "bits"},
    {"name": "numbers", "game": {"channel": "continuous"}},
    {"name": "lost", "training": {"optimizer": "SGD", "learning_rate": 1e30}},
]
TARGETS = ("export", "hub", "tables", "results/shared/config.yaml")
PARTS = ("train", "dev", "test", "ood", "ood_alone")


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def shared(project):
    """The config of the experiment, after its exports and tables were made."""
    tables = [{"name": "main"}, {"name": "one", "runs": ["numbers"], "parts": ["dev"], "metrics": ["length"]}]
    config = project.write_config("shared", **{**TINY, "seeds": [1], "runs": RUNS, "tables": tables})
    project.snakemake("--cores", "2", *TARGETS, config=config)
    return config


@pytest.fixture
def results(project, shared):
    return project.folder / "results/shared"


def test_a_second_call_has_nothing_to_do(project, shared):
    assert project.jobs(shared, *TARGETS) == {}


def test_the_parquet_file_has_successful_runs_and_names_the_others(results):
    table = pq.read_table(results / "export/messages.parquet")
    assert set(table["run"].to_pylist()) == {"bits", "numbers"}
    assert set(table["part"].to_pylist()) == set(PARTS)
    images = 24 + 8 + 8 + 6 + 6
    assert table.num_rows == 2 * images * 2 * 2
    (failed,) = json.loads(table.schema.metadata[b"failed"])
    assert (failed["run"], failed["seed"]) == ("lost", 1)
    assert "is no longer finite" in failed["why"]
    assert table["group"].null_count == 0


def test_the_dataset_has_successful_runs_and_the_rights_of_the_data_card(results):
    folder = results / "export/hub"
    files = {path.relative_to(folder / "data").as_posix() for path in folder.glob("data/*/*.parquet")}
    assert files == {f"{run}/{part}.parquet" for run in ("bits", "numbers") for part in PARTS}
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "The images are drawn by Parley" in card
    assert "Seed 1 of run lost failed and has no dialogues: " in card
    assert "| bits | test | 8 | bernoulli | 4 | 2 |" in card


def test_the_corpora_are_those_of_bits(results):
    system = results / "export/elcc/systems/shared"
    about = yaml.safe_load((system / "metadata.yml").read_text())
    assert sorted(path.name for path in (system / "data").iterdir()) == sorted(f"bits.seed-1.{part}" for part in PARTS)
    assert sorted(about["parley"]["continuous"]) == sorted(f"numbers.seed-1.{part}" for part in PARTS)
    assert [one["run"] for one in about["parley"]["failed"]] == ["lost"]


def test_there_are_arrays_of_each_and_attributes_take_the_labels_place(project, shared, results):
    folder = results / "export/emlangkit"
    written = {path.name for path in folder.glob("*.npz")}
    assert written == {f"{run}-1-{part}.npz" for run in ("bits", "numbers") for part in PARTS}
    with np.load(folder / "numbers-1-test.npz") as file:
        assert file["messages"].shape == (8, 4)
        assert file["messages"].dtype.kind == "f"
    with np.load(folder / "bits-1-test.npz") as file:
        assert file["observations"].shape == (8, 6)
        assert file["names"].tolist() == list(ATTRIBUTES)


def test_the_tables_show_every_run_and_the_requested_columns(results):
    assert {path.name for path in (results / "tables").glob("[!.]*")} == {"main.md", "main.tex", "one.md", "one.tex"}
    main = (results / "tables/main.md").read_text()
    assert main.count("| lost | – |") == 3
    assert "| 0 of 1 |" in main
    one = (results / "tables/one.tex").read_text()
    assert one.count(r"\emph{") == 1
    assert "numbers & " in one


def test_all_of_it_loads(results):
    found = parley.load(results)
    assert found.runs["failed"].tolist() == [False, False, True]
    assert "game.message_bits" in found.runs
    assert found.messages(part=None).shape[0] == pq.read_metadata(results / "export/messages.parquet").num_rows


def test_the_documentation_names_all_of_it(results):
    program = Path(__file__).parents[2] / ".ci/check_documented.py"
    done = subprocess.run([sys.executable, str(program), str(results)], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
