"""Seeds that share a job leave what each would leave alone, up to how sums are rounded."""

import json

import pytest
from tiny_runs import TINY

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
