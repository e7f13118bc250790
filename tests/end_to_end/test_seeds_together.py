"""Seeds that share a job leave what each would leave alone, up to how sums are rounded."""

import json
import shutil

import pytest
from tiny_runs import TINY

from parley.core.failures import failure_in, write_marker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished):
    return finished


def test_seeds_trained_together_write_the_same_files(project):
    seeds = [1, 2, 3]
    alone = project.write_config("alone", **{**TINY, "seeds": seeds})
    together = project.write_config("together", **{**TINY, "seeds": seeds, "seeds_per_job": 2})
    project.snakemake("--cores", "2", "select", config=alone)
    told = project.snakemake("--cores", "2", "select", config=together)
    assert "Training run adaptive with seed 1, 2" in told
    assert "Training run adaptive with seed 3" in told
    runs = [project.folder / f"results/{name}/runs/adaptive" for name in ("alone", "together")]
    for seed in map(str, seeds):
        one, other = (json.loads((run / seed / "config.json").read_text()) for run in runs)
        assert {**one, "experiment": ""} == {**other, "experiment": ""}
        first, second = (rows(run / seed / "metrics.jsonl") for run in runs)
        assert [(row["kind"], row["step"]) for row in first] == [(row["kind"], row["step"]) for row in second]
        # Before the first weights are changed, what is rounded otherwise has moved no bit.
        assert first[0]["nll"] == pytest.approx(second[0]["nll"], rel=1e-3)
        names = [sorted(path.name for path in (run / seed / "checkpoints").glob("*.pt")) for run in runs]
        assert names[0] == names[1] == ["00000003.pt", "00000006.pt"]
    assert project.planned(together) & {"train_run", "train_run_1", "train_run_3"} == set()


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


EVALUATED = ("evaluate_run", "extract_messages", "extract_attention", "analyse_run", "measure_language")
"""Rules that evaluate and analyse the seeds of a group one after the other."""


def evaluated_files(run, seed):
    """Return the bytes of a seed's files that these rules write, by name."""
    names = ("evaluation.json", "flips.json", "messages*.hdf5", "attention*.hdf5", "analysis.json", "language.json")
    return {path.name: path.read_bytes() for name in names for path in (run / seed).glob(name)}


def test_seeds_evaluated_together_write_the_same_files_and_one_that_failed_fails_no_other(project):
    attending = {
        "game": {**TINY["game"], "description_attention": True},
        "evaluation": {"k": 1, "keep_attention": True},
    }
    values = {**TINY, **attending, "seeds": [1, 2, 3]}
    config = project.write_config("evaluated", **values)
    targets = ("evaluate", "messages", "language")
    project.snakemake("--cores", "2", *targets, config=config)
    run = project.folder / "results/evaluated/runs/adaptive"
    alone = {seed: evaluated_files(run, seed) for seed in "123"}
    assert len(alone["1"]) == 4 + 2 * 5  # Of the five evaluation sets, each has messages and attention.

    write_marker(run / "2/best.pt", "It diverged.")
    shutil.rmtree(run / "2/.records")  # Otherwise the change of best.pt is taken for damage.
    config = project.write_config("evaluated", **values, seeds_per_job=2)
    # Without these triggers, training would run again, because the groups of seeds have changed.
    forced = ("--rerun-triggers", "mtime", "--forcerun", *EVALUATED)
    told = project.snakemake("--cores", "2", *targets, *forced, config=config)
    assert "Evaluating run adaptive, seed 1, 2" in told
    assert "Measuring the messages of run adaptive, seed 1, 2" in told
    assert "Training" not in told
    assert [evaluated_files(run, seed) for seed in "13"] == [alone["1"], alone["3"]]
    assert {failure_in(run / "2" / name) for name in alone["2"]} == {"It diverged."}
