"""Metrics for other trackers in the workflow: where they are, and that they cause no rerun."""

import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow


def test_trackers_write_below_their_run_and_changing_them_trains_nothing(finished):
    pytest.importorskip("mlflow")
    plain = {**TINY, "seeds_per_job": 2}
    tracked = {**plain, "training": {**TINY["training"], "mlflow": "local"}}
    config = finished.write_config("tracked", **tracked)
    finished.snakemake("--cores", "2", "train", config=config)
    runs = sorted((finished.folder / "results/tracked/runs").glob("*/[0-9]"))
    assert len(runs) == 2
    for folder in runs:
        names = {path.name for path in folder.iterdir()}
        assert names - {".snakemake_timestamp", ".records"} == {
            ".tracking",
            "checkpoints",
            "config.json",
            "metrics.jsonl",
        }
        assert list(folder.glob(".tracking/mlruns/*/*/metrics/dev/accuracy_at_1"))
        assert "mlflow" not in (folder / "config.json").read_text()
    assert finished.jobs(finished.write_config("tracked", **plain), "train") == {}
