"""A run that diverges is counted and shown, and the rest of the experiment is as it would be."""

import csv
import json

import pytest
from tiny_runs import TINY, write_classes

from parley.failures import failure_in

pytestmark = pytest.mark.slow
LOST = {"name": "lost", "training": {"optimizer": "SGD", "learning_rate": 1e30}}


@pytest.fixture(scope="module")
def results(project):
    """An experiment of a run that comes through and one that does not, its seeds one a job."""
    write_classes(project.folder)
    attending = {
        "game": {**TINY["game"], "description_attention": True},
        "evaluation": {"k": 1, "keep_attention": True},
    }
    config = project.write_config("half", **{**TINY, **attending, "runs": [{"name": "fine"}, LOST]})
    out = project.snakemake("--cores", "2", config=config)
    assert "is no longer finite at step" in out
    assert project.planned(config) == set()
    return project.folder / "results/half"


def test_the_run_that_failed_is_counted_with_its_reason(results):
    summary = json.loads((results / "summary.json").read_text())
    assert [(one["run"], one["seed"]) for one in summary["failed"]] == [("lost", 1), ("lost", 2)]
    assert all("is no longer finite" in one["why"] for one in summary["failed"])
    counts = {(row["run"], row["n_seeds"], row["seeds_failed"]) for row in summary["rows"]}
    assert counts == {("fine", 2, 0), ("lost", 0, 2)}


def test_the_report_shows_it_beside_the_others(results):
    page = (results / "report.html").read_text()
    assert "2 seeds of this run failed and are in no mean: seed 1 and 2." in page
    assert "Run lost: The loss of seed 1 is no longer finite" in page
    assert "No seed of this run has test conversations to draw." in (results / "figures/confusion-lost.svg").read_text()


def test_each_file_of_the_run_that_failed_says_so(results):
    of_seed = results / "runs/lost/1"
    log = [json.loads(line) for line in (of_seed / "metrics.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in log].count("failed") == 1
    beside = {path.name for path in (results / "runs/fine/1").iterdir()}
    assert {path.name for path in of_seed.iterdir()} == beside
    for name in beside - {"config.json", "metrics.jsonl", "checkpoints"}:
        assert failure_in(of_seed / name) == log[-1]["why"], name
        assert failure_in(results / "runs/fine/1" / name) is None, name


def test_probes_pass_over_the_run_that_failed(project, results):
    config = project.folder / "half.yaml"
    project.snakemake("--cores", "2", "interventions", "agreement", config=config)
    for name in ("interventions", "agreement"):
        with (results / f"{name}.csv").open(newline="") as stream:
            assert {(row["run"], row["n_seeds"]) for row in csv.DictReader(stream)} == {("fine", "2")}, name
    assert failure_in(results / "runs/lost/1/interventions.json") is not None
    assert project.planned(config, "interventions", "agreement") == set()
