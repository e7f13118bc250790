"""What a person sees of long work, on terminals and in files."""

import re
import subprocess

import pytest
from terminals import python, seen

from parley.core import progress
from parley.core.progress import Progress, in_words

WORK = """
import logging, sys, time
from parley.core import progress
from parley.core.progress import Progress, share_terminal
logging.basicConfig(format="%(message)s", level="INFO")
if "shared" in sys.argv:
    share_terminal()
progress.SECONDS_BETWEEN_LINES = 0.05
with Progress(f"work of {sys.argv[1]}", 40, "step") as bar:
    for step in range(40):
        time.sleep(0.01)
        bar.advance(note="x" * 30)
"""
LINE = re.compile(r"work of [ab]: \d+ of 40 steps, [0-9.]+ a second, \d+ s left, x{30}")


def test_a_process_alone_on_a_terminal_draws_a_bar_and_wipes_it():
    told, _ = seen(python(WORK, "a"))
    drawn = [int(percent) for percent in re.findall(r"work of a: +(\d+)%\|", told)]
    assert drawn == sorted(set(drawn))
    assert len(drawn) > 1
    assert "\n" not in told.replace("\r\n", "")
    assert told.rsplit("\r", 2)[-2].strip() == ""


def test_jobs_that_share_a_terminal_print_whole_lines():
    told, statuses = seen(python(WORK, "a", "shared"), python(WORK, "b", "shared"))
    assert statuses == [0, 0]
    lines = told.split("\r\n")[:-1]
    assert all(LINE.fullmatch(line) for line in lines), lines
    for name in "ab":
        own = [line for line in lines if line.startswith(f"work of {name}:")]
        assert len(own) >= 2
        assert "40 of 40" in own[-1]


def test_a_terminal_that_does_not_know_its_size_gets_lines():
    told, _ = seen(python(WORK, "a"), rows=0, columns=0)
    assert all(LINE.fullmatch(line) for line in told.split("\r\n")[:-1])
    assert "40 of 40" in told


def test_a_file_gets_lines():
    done = subprocess.run(python(WORK, "a"), capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) >= 2
    assert all(LINE.fullmatch(line) for line in lines)


@pytest.mark.parametrize(("hours", "most"), [(0.01, 8), (0.1, 50), (1, 100), (10, 250)])
def test_the_longer_the_work_the_sparser_the_lines(monkeypatch, caplog, hours, most):
    caplog.set_level("INFO", logger="parley.core.progress")
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Progress("work", 3600, "step") as told:
        for _ in range(3600):
            clock[0] += hours
            told.advance()
    assert most / 3 < len(caplog.messages) <= most


@pytest.mark.parametrize(
    ("total", "unit", "line"),
    [
        (4_000_000_000, "byte", "work: 25% of 4.0 GB, 100.0 MB a second, 30 s left"),
        (None, "byte", "work: 1.0 GB, 100.0 MB a second"),
        (2_000_000_000, "class", "work: 1000000000 of 2000000000 classes, 100000000.0 a second, 10 s left"),
    ],
)
def test_amounts_have_plurals_and_sizes(monkeypatch, caplog, total, unit, line):
    caplog.set_level("INFO", logger="parley.core.progress")
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Progress("work", total, unit) as told:
        clock[0] = 10.0
        told.advance(1_000_000_000)
    assert caplog.messages == [line]


def test_pieces_of_an_earlier_process_do_not_count_as_fast(monkeypatch, caplog):
    caplog.set_level("INFO", logger="parley.core.progress")
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Progress("work", 4000, "step") as told:
        told.resume_from(3000)
        for _ in range(10):
            clock[0] += 1
            told.advance()
    assert caplog.messages[-1] == "work: 3010 of 4000 steps, 1.0 a second, 16 min left"


def test_a_bar_does_not_count_pieces_of_an_earlier_process_as_fast():
    resumed = WORK.replace('40, "step") as bar:', '1040, "step") as bar:\n    bar.resume_from(1000)')
    told, _ = seen(python(resumed, "a"))
    rates = [float(rate) for rate in re.findall(r"([0-9.]+)step/s", told)]
    # How often the bar is drawn depends on how busy the machine is.
    assert max(int(done) for done in re.findall(r"(\d+)/1040", told)) > 1000
    assert rates
    assert max(rates) <= 100  # A step takes at least 10 ms.


@pytest.mark.parametrize(("seconds", "lines"), [(4, 0), (12, 3)])
def test_brief_work_is_logged_only_if_it_takes_long(monkeypatch, caplog, seconds, lines):
    caplog.set_level("INFO", logger="parley.core.progress")
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Progress("count", seconds, "image", brief=True) as told:
        for _ in range(seconds):
            clock[0] += 1
            told.advance()
    assert len(caplog.messages) == lines
    assert not lines or caplog.messages[-1].startswith("count: 12 of 12 images")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (12000, "3 h 20 min")],
)
def test_spans_of_time_in_words(seconds, words):
    assert in_words(seconds) == words
