"""TensorBoard's events have the values of `metrics.jsonl`, read with TensorBoard's own reader."""

import sys
from pathlib import Path

import pytest
from easy_runs import run
from interrupted_runs import interrupted_and_resumed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from parley.config.input_checks import check_inputs
from parley.core.errors import ParleyError

SCRIPT = Path(__file__).parents[1] / "easy_runs.py"


def events(folder):
    """Every value by kind, name and step."""
    board = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return [(tag, event.step, event.value) for tag in board.Tags()["scalars"] for event in board.Scalars(tag)]


def logged(rows):
    found = []
    for row in rows:
        about = {name: row.pop(name) for name in ("kind", "step", "seconds")}
        for name, value in row.items():
            if value is not None:
                found.append((f"{about['kind']}/{name.replace('@', '_at_')}", about["step"], pytest.approx(value)))
    return sorted(found, key=lambda entry: entry[:2])


def test_events_have_the_values_of_the_log(tmp_path):
    rows = run(tmp_path, steps=12, tensorboard=True)
    assert sorted(events(tmp_path)) == logged(rows)


def test_events_are_off_by_default(tmp_path):
    run(tmp_path)
    assert not (tmp_path / "tensorboard").exists()


@pytest.fixture
def without_tensorboard(monkeypatch):
    """Make packages that are not imported yet unavailable."""
    for name in list(sys.modules):
        if name.split(".")[0] == "tensorboard" or name.startswith("torch.utils.tensorboard"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])


def test_a_missing_package_is_reported_before_the_first_job(without_tensorboard):
    wanted = {"game": {}, "training": {"tensorboard": True}}
    config = {
        "source": {"kind": "features", "features": {}},
        "game": {"preset": "Fixed", "image_layer": "auto", "attention_context": True},
        "training": {"tensorboard": False},
        "runs": [{"name": "quiet", "game": {}, "training": {}}, {"name": "shown", **wanted}],
    }
    (told,) = check_inputs(config, [], {"train_run"})
    assert told.startswith(
        "Run shown has `training.tensorboard: true`, but the package tensorboard is not installed; install"
    )
    assert check_inputs(config, [], {"train_run"}, own_environments=True) == []
    assert check_inputs(config, [], {"evaluate_run"}) == []


def test_a_missing_package_is_an_error_of_the_job(without_tensorboard, tmp_path):
    with pytest.raises(ParleyError, match="the package tensorboard is not installed; install it"):
        run(tmp_path, tensorboard=True)


@pytest.mark.slow
def test_a_run_that_was_killed_and_resumed_has_each_step_once(tmp_path):
    rows = interrupted_and_resumed(tmp_path, "--tensorboard")
    assert len(list((tmp_path / "tensorboard").iterdir())) == 3
    assert sorted(events(tmp_path)) == logged(rows)
