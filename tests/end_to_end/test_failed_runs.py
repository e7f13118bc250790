"""A run that diverges is counted and shown, and the rest of the experiment is as it would be."""

import csv
import json

import h5py
import pytest
from tiny_runs import TINY

from parley.core.failures import failure_in

pytestmark = pytest.mark.slow
LOST = {"name": "lost", "training": {"optimizer": "SGD", "learning_rate": 1e30}}


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def results(project):
    """An experiment of a run that comes through and one that does not, its seeds one a job."""
    attending = {
        "game": {**TINY["game"], "description_attention": True},
        "evaluation": {"k": 1, "keep_attention": True},
    }
    claims = [
        {"claim": "stops_at_once", "run": "fine"},
        {"claim": "length_with_difficulty", "run": "fine"},
        {"claim": "questions_matter", "run": "fine", "part": "ood"},
        {"claim": "frozen_sender_lags", "run": "lost", "against": "fine"},
        {"claim": "prediction_entropy_change", "run": "lost"},
    ]
    config = project.write_config("half", **{**TINY, **attending, "runs": [{"name": "fine"}, LOST], "claims": claims})
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


def test_the_report_shows_failed_and_successful_runs(results):
    page = (results / "report.html").read_text()
    assert "2 seeds of this run failed and are excluded from all means: seeds 1 and 2." in page
    assert "Run lost: The loss of seed 1 is no longer finite" in page
    assert "No seed of this run has test dialogues." in (results / "figures/confusion-lost.svg").read_text()


def test_each_file_of_the_run_that_failed_says_so(results):
    of_seed = results / "runs/lost/1"
    log = [json.loads(line) for line in (of_seed / "metrics.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in log].count("failed") == 1
    beside = {path.name for path in (results / "runs/fine/1").iterdir()}
    assert {path.name for path in of_seed.iterdir()} == beside
    for name in beside - {"config.json", "metrics.jsonl", "checkpoints", ".records"}:
        assert failure_in(of_seed / name) == log[-1]["why"], name
        assert failure_in(results / "runs/fine/1" / name) is None, name


def test_measures_and_claims_skip_the_run_that_failed(project, results):
    config = project.folder / "half.yaml"
    project.snakemake("--cores", "2", "metrics", "claims", config=config)
    assert failure_in(results / "runs/lost/1/interventions.json") is not None
    assert project.planned(config, "metrics", "claims") == set()
    for name in ("interventions", "agreement"):
        with (results / f"{name}.csv").open(newline="") as stream:
            assert {(row["run"], row["n_seeds"]) for row in csv.DictReader(stream)} == {("fine", "2")}, name
    with (results / "exchanges.csv").open(newline="") as stream:
        assert {row["run"] for row in csv.DictReader(stream)} == {"fine"}
    with (results / "claims.csv").open(newline="") as stream:
        found = {row["claim"]: row for row in csv.DictReader(stream)}
    assert found["frozen_sender_lags"]["seeds_left_out"] == "2"
    assert found["frozen_sender_lags"]["mean"] == found["prediction_entropy_change"]["mean"] == ""
    assert found["frozen_sender_lags"]["verdict"] == "undecided"
    # The fraction of one-exchange conversations, from the files of messages.
    evaluated = [json.loads((results / f"runs/fine/{seed}/evaluation.json").read_text()) for seed in (1, 2)]
    mean = sum(2 - one["parts"]["test"]["length"] for one in evaluated) / 2  # Of two exchanges at most.
    assert float(found["stops_at_once"]["mean"]) == pytest.approx(mean)
    shown = (results / "claims.md").read_text()
    assert shown.count("**undecided**") + shown.count("**agrees**") + shown.count("**disagrees**") == 5
    assert "not measurable \\(0 seeds, 2 left out\\)" in shown


def test_the_report_compares_messages_with_chance(results):
    page = (results / "report.html").read_text()
    assert '<table class="language" data-run="fine">' in page
    assert 'data-run="lost">' not in page.split("Messages as a language")[1].split("</table>")[0]


def test_every_conversation_is_in_the_browser(results, open_page):
    page = open_page(results / "browser.html").page
    page.wait_for_selector("#main .card")
    with h5py.File(results / "runs/fine/1/messages.hdf5") as file:
        keys = dict.fromkeys(key.decode() for key in file["Predictions"]["ExampleId"])
        length = int(file["Predictions"]["StopMask"][:2].sum())
    cards = page.locator("#main .card")
    assert cards.evaluate_all("all => all.map((card) => card.dataset.key)") == list(keys)
    assert page.locator("#main .card img").count() == len(keys)
    cards.first.click()
    page.wait_for_selector(".exchange")
    assert page.locator(".exchange").count() == length
    # Of the words of descriptions, to which this run attends.
    weights = page.locator(".exchange").first.locator(".read").first.locator("small").all_inner_texts()
    assert sum(map(float, weights)) == pytest.approx(1, abs=0.01 * len(weights))
    page.select_option("#run", "lost")
    page.wait_for_selector("#main .notice")
    assert "is no longer finite at step" in page.locator("#main").inner_text()


def test_unseen_classes_are_in_the_browser_with_either_candidates(results, open_page):
    for part, candidates in (("ood", 6), ("ood_alone", 2)):
        page = open_page(results / "browser.html", address=f"#part={part}").page
        page.wait_for_selector("#main .card")
        assert page.locator("#main .card").count() == 6
        page.locator("#main .card").first.click()
        page.wait_for_selector(".exchange")
        assert f" of {candidates}" in page.locator(".dialogue .note").first.inner_text()
