"""The summary of failed jobs."""

import pytest

from parley.runtime.hooks import MOST_LISTED, failure_lines, last_error

LOG = """2026-11-26 06:06:42,121 INFO parley.training.loop: the run goes on
2026-11-26 06:06:42,122 ERROR parley: The train part has 24 images: raise [red]split[/].
Traceback (most recent call last):
2026-11-26 06:06:43,121 WARNING parley: something else
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train.log"
    path.write_text(LOG)
    return str(path)


def test_the_last_error_of_a_log(log, tmp_path):
    assert last_error(log) == "The train part has 24 images: raise [red]split[/]."
    assert last_error(tmp_path / "none.log") is None
    (tmp_path / "other.log").write_text("anything\nat all: ERROR\n")
    assert last_error(tmp_path / "other.log") is None


def test_failed_jobs_are_listed_with_error_and_log(log):
    lines = failure_lines([("train_run adaptive 1", log), ("split", "")])
    assert lines == [
        "2 jobs failed:",
        "  train_run adaptive 1: The train part has 24 images: raise [red]split[/].",
        f"    {log}",
        "  split: no error in its log; it may have been killed.",
        "Finished files are kept; run the same command again to continue.",
    ]
    assert failure_lines([]) == []


def test_many_failed_jobs_are_counted(log):
    lines = failure_lines([(str(number), log) for number in range(MOST_LISTED + 3)])
    assert lines[0] == "13 jobs failed:"
    assert "  and 3 more" in lines
    assert len(lines) == 1 + 2 * MOST_LISTED + 2
