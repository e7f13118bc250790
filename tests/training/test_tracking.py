"""Metrics sent to Weights & Biases and MLflow are those of `metrics.jsonl`, read with the trackers' own formats."""

import json
import logging
import struct
import sys
from pathlib import Path

import pytest
from easy_runs import left_by, run, run_all
from interrupted_runs import interrupted_and_resumed
from mlflow_server import mlflow_server

from parley.config.input_checks import check_inputs
from parley.core.errors import ParleyError
from parley.game.settings import result_affecting
from parley.training.log import scalars

SCRIPT = Path(__file__).parents[1] / "easy_runs.py"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_login(monkeypatch, tmp_path):
    """Neither a login nor settings of the user who runs the tests."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))


def logged(rows):
    """Every value of a log by name and step."""
    return sorted((name, row["step"], value) for row in rows for name, value in scalars(row).items())


def wandb_records(folder):
    """The records of the only offline run: protocol buffers in the blocks of LevelDB's log format."""
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    (path,) = folder.glob(".tracking/wandb/offline-run-*/*.wandb")
    content, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", content[at : at + 7])
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # A whole record, or the last part of one.
            record = messages.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def wandb_values(folder):
    found = []
    for record in wandb_records(folder):
        if record.WhichOneof("record_type") == "history":
            row = {one.key or one.nested_key[0]: json.loads(one.value_json) for one in record.history.item}
            found += [(name, row["step"], value) for name, value in row.items() if "/" in name]
    return sorted(found)


def mlflow_runs(folder, monkeypatch):
    """The runs in the local store, and its client."""
    tracking = pytest.importorskip("mlflow.tracking")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = tracking.MlflowClient((folder / ".tracking/mlruns").as_uri())
    experiments = [one.experiment_id for one in client.search_experiments()]
    return client, client.search_runs(experiments)


def mlflow_values(folder, monkeypatch):
    client, (found,) = mlflow_runs(folder, monkeypatch)
    histories = {name: client.get_metric_history(found.info.run_id, name) for name in found.data.metrics}
    return sorted((name, one.step, one.value) for name, values in histories.items() for one in values)


@pytest.mark.slow
def test_an_offline_run_of_wandb_has_the_values_of_the_log(tmp_path, caplog):
    pytest.importorskip("wandb")
    rows = run(tmp_path / "a/1", wandb="easy")
    assert wandb_values(tmp_path / "a/1") == logged(rows)
    (begun,) = [one.run for one in wandb_records(tmp_path / "a/1") if one.WhichOneof("record_type") == "run"]
    assert (begun.project, begun.run_group, begun.display_name) == ("easy", "a", "a/1")
    (told,) = [record.message for record in caplog.records if record.name == "parley.training.tracking"]
    assert told == (
        "Weights & Biases: No API key configured. Use `wandb login` to log in. "
        f"`wandb sync {tmp_path}/a/1/.tracking/wandb/offline-run-*` uploads the metrics."
    )


@pytest.mark.slow
def test_a_local_store_of_mlflow_has_the_values_of_the_log(tmp_path, monkeypatch):
    rows = run(tmp_path / "a/1", mlflow="local")
    assert mlflow_values(tmp_path / "a/1", monkeypatch) == logged(rows)
    _, (found,) = mlflow_runs(tmp_path / "a/1", monkeypatch)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "a/1")
    assert found.data.tags["run"] == "a"


@pytest.mark.slow
def test_seeds_that_share_a_process_are_runs_of_one_group(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    folders = [tmp_path / "a" / seed for seed in "12"]
    run_all(folders, 12, [1, 2], mlflow="local")
    for folder in folders:
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert mlflow_values(folder, monkeypatch) == logged(rows)
        _, (found,) = mlflow_runs(folder, monkeypatch)
        assert (found.data.tags["run"], found.data.tags["seed"]) == ("a", folder.name)


@pytest.mark.slow
def test_trackers_do_not_change_results_and_are_not_imported(tmp_path):
    pytest.importorskip("mlflow")
    run(tmp_path / "plain")
    run(tmp_path / "tracked", mlflow="local")
    assert left_by(tmp_path / "plain") == left_by(tmp_path / "tracked")
    assert not (tmp_path / "plain/.tracking").exists()
    assert "parley.training.trackers" not in sys.modules


def test_settings_of_trackers_are_not_part_of_what_is_stored():
    settings = {"steps": 5, "wandb": "easy", "mlflow": CLOSED, "tensorboard": True}
    assert result_affecting(settings) == {"steps": 5}


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_is_reported_once_and_counted(tmp_path, caplog):
    pytest.importorskip("mlflow")
    with caplog.at_level(logging.WARNING):
        rows = run(tmp_path, steps=40, mlflow=CLOSED)
    assert rows[-1]["step"] == 40
    first, last = [record.message for record in caplog.records if record.name == "parley.training.tracking"]
    assert first.startswith("MLflow: API request to http://127.0.0.1:9/")
    assert first.endswith(" Training continues, and metrics.jsonl has all metrics.")
    assert last == (
        f"MLflow: {len(rows)} of {len(rows)} lines of metrics.jsonl were not sent to {CLOSED}; "
        "the file has all of them."
    )


@pytest.mark.slow
def test_without_a_server_a_run_of_wandb_is_offline(tmp_path, monkeypatch, caplog):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", CLOSED)
    folders = [tmp_path / "a" / seed for seed in "12"]
    run_all(folders, 12, [1, 2], wandb="easy")
    for folder in folders:
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert wandb_values(folder) == logged(rows)
    (told,) = [record.message for record in caplog.records if record.name == "parley.training.tracking"]
    assert "connection refused" in told or "deadline exceeded" in told
    assert told.endswith(f"`wandb sync {tmp_path}/a/*/.tracking/wandb/offline-run-*` uploads the metrics.")


@pytest.fixture
def without_packages(monkeypatch):
    """Make packages that are not imported yet unavailable."""
    for name in list(sys.modules):
        if name.split(".")[0] in ("wandb", "mlflow"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])


@pytest.mark.parametrize(("name", "value"), [("wandb", "easy"), ("mlflow", "local")])
def test_a_missing_package_is_reported_before_the_first_job(without_packages, tmp_path, name, value):
    config = {
        "source": {"kind": "features", "features": {}},
        "game": {"preset": "Fixed", "image_layer": "auto", "attention_context": True},
        "training": {name: value},
        "runs": [{"name": "shown", "game": {}, "training": {}}],
    }
    (told,) = check_inputs(config, [], {"train_run"})
    assert told == (
        f"Run shown has `training.{name}: set`, but the package {name} is not installed; install it "
        f"(`uv sync --extra {name}`) or set the key to null."
    )
    assert check_inputs(config, [], {"train_run"}, own_environments=True) == []
    with pytest.raises(ParleyError, match=f"training.{name} is set, but the package {name} is not installed"):
        run(tmp_path, **{name: value})


@pytest.mark.slow
def test_a_server_gets_all_values_also_after_it_failed(tmp_path, caplog):
    pytest.importorskip("mlflow")
    with mlflow_server() as server:
        server.failing = 2  # The first request, and its repetition.
        rows = run(tmp_path / "a/1", mlflow=server.address)
        assert server.failing == 0
        (name,) = server.runs
        assert server.values(name) == logged(rows)
        assert server.runs[name]["info"]["status"] == "FINISHED"
        assert server.runs[name]["params"]["run"] == "a"
    (told,) = [record.message for record in caplog.records if record.name == "parley.training.tracking"]
    assert told.startswith("MLflow: ")
    assert told.endswith(" Training continues, and metrics.jsonl has all metrics.")


@pytest.mark.slow
def test_a_seed_that_fails_is_a_failed_run(tmp_path):
    pytest.importorskip("mlflow")
    with mlflow_server() as server:
        rows = run(tmp_path, optimizer="SGD", learning_rate=1e30, mlflow=server.address)
        assert rows[-1]["kind"] == "failed"
        assert server.runs["run0"]["info"]["status"] == "FAILED"
        assert server.values("run0") == logged(rows)


@pytest.mark.slow
def test_a_run_that_was_killed_and_resumed_has_each_step_once(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    pytest.importorskip("mlflow")
    rows = interrupted_and_resumed(tmp_path, "--tracked")
    assert wandb_values(tmp_path) == logged(rows)
    assert mlflow_values(tmp_path, monkeypatch) == logged(rows)


@pytest.mark.slow
def test_a_resumed_run_continues_its_curves_on_a_server(tmp_path):
    pytest.importorskip("mlflow")
    with mlflow_server() as server:
        rows = interrupted_and_resumed(tmp_path, f"--tracked={server.address}")
        assert list(server.runs) == ["run0"]
        assert server.values("run0") == logged(rows)
