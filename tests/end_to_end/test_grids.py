"""A grid of runs in the whole line: a value added costs its own runs alone."""

import pytest
import yaml
from tiny_runs import TINY

pytestmark = pytest.mark.slow


def grid_of(*bits):
    """The tiny experiment, one seed, with a run for each width and two rates of learning."""
    grid = {"game.message_bits": list(bits), "training.learning_rate": {"fast": 0.01, "slow": 0.0001}}
    return {**TINY, "seeds": [1], "runs": [{"name": "a", "grid": grid}]}


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def widths(project):
    config = project.write_config("widths", **grid_of(2, 4))
    project.snakemake("--cores", "2", config=config)
    return config


def test_every_run_of_the_grid_is_in_the_summary_and_in_the_report(project, widths):
    rows = (project.folder / "results/widths/summary.csv").read_text().splitlines()
    names = ["a-message_bits_2-fast", "a-message_bits_2-slow", "a-message_bits_4-fast", "a-message_bits_4-slow"]
    assert list(dict.fromkeys(row.split(",")[0] for row in rows[1:])) == names
    page = (project.folder / "results/widths/report.html").read_text()
    assert all(name in page for name in names)


def test_the_merged_config_is_the_same_experiment(project, widths):
    merged = project.folder / "results/widths/config.yaml"
    assert [run["game"] for run in yaml.safe_load(merged.read_text())["runs"]][-1] == {"message_bits": 4}
    assert project.planned(merged) == set()


def test_a_value_added_trains_its_own_runs_alone(project, widths):
    more = project.write_config("widths", **grid_of(2, 3, 4))
    of_a_run = (
        "train_run",
        "select_checkpoint",
        "evaluate_run",
        "extract_messages",
        "analyse_run",
        "measure_language",
        "draw_run_figures",
    )
    of_all = (
        "write_config",
        "summarise",
        "summarise_languages",
        "draw_figures",
        "build_browser",
        "build_report",
        "write_provenance",
        "all",
    )
    assert project.jobs(more) == {**dict.fromkeys(of_a_run, 2), **dict.fromkeys(of_all, 1)}
