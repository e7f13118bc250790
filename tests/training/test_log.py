"""The training log: early stopping, failures and times."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.training.log import Log


def log_of(tmp_path, results):
    lines = [json.dumps({"kind": "train", "step": 0, "nll": 1.0})]
    lines += [json.dumps({"kind": "dev", "step": step, "accuracy@k": value}) for step, value in enumerate(results)]
    return Log(tmp_path / "metrics.jsonl", 0.0, lines)


@pytest.mark.parametrize(
    ("results", "patience", "old"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.4], 1, True),
        ([0.5, 0.4], 2, False),
        ([0.5, 0.4, 0.6], 1, False),
        ([0.5, 0.5, 0.5], 1, True),  # equal is not better
        ([0.1, 0.5, 0.4, 0.3], 3, False),
        ([0.1, 0.5, 0.4, 0.3, 0.2], 3, True),
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1], 0, False),
    ],
)
def test_a_run_whose_best_is_old_stops(tmp_path, results, patience, old):
    with log_of(tmp_path, results) as log:
        assert log.should_stop_early(patience) is old


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), max_size=8), st.integers(1, 4))
def test_a_run_stops_after_that_many_evaluations_without_improvement(tmp_path_factory, results, patience):
    best, since = -1.0, 0
    for value in results:
        best, since = (value, 0) if value > best else (best, since + 1)
    with log_of(tmp_path_factory.mktemp("log"), results) as log:
        assert log.should_stop_early(patience) is (since >= patience)


def test_seconds_count_from_the_start_of_training(tmp_path):
    with Log(tmp_path / "metrics.jsonl", time.monotonic() - 100) as log:
        log.write("train", 1, {})
    assert json.loads(log.lines[0])["seconds"] == pytest.approx(100, abs=5)


def test_a_failed_run_stays_failed_when_it_resumes(tmp_path):
    with log_of(tmp_path, [0.5]) as log:
        assert not log.failed
        log.write("failed", 7, {"why": "Why."})
        assert log.failed
        written = log.lines
    with Log(tmp_path / "metrics.jsonl", 0.0, written) as log:
        assert log.failed
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["kind"], last["step"], last["why"]) == ("failed", 7, "Why.")


def test_an_empty_log_has_no_failure(tmp_path):
    with Log(tmp_path / "metrics.jsonl", 0.0) as log:
        assert not log.failed
