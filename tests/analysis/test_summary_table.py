"""The summary table at the end of the workflow, in a terminal and in a file."""

import io
import json
import re

import pytest
from made_runs import evaluation_entry
from terminals import python, seen

from parley.analysis.summary import failed_seeds, summarise, write_summary
from parley.analysis.summary_tables import show_summary
from parley.core.terminal import console, literal

SHOW = """
import sys
from parley.analysis.summary_tables import show_summary
from parley.core.terminal import console
show_summary(sys.argv[1], console(sys.stderr, colour="plain" not in sys.argv))
"""
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
LONG = "a-run-of-a-grid.whose-name-is-longer-than-any-terminal-is-wide.message_bits-32.max_exchanges-10.and-more"


def evaluation(run, seed, top1, parts=("test", "ood_alone")):
    entries = {part: evaluation_entry(1200, 24, 3, top1=top1) for part in parts}
    return {"run": run, "seed": seed, "k": 3, "step": 100, "parts": entries}


@pytest.fixture
def folder(tmp_path):
    """Three runs: of three seeds, of one of two, and of none."""
    expected = [("fine", 1), ("fine", 2), ("fine", 3), (LONG, 1), (LONG, 2), ("lost", 1)]
    evaluations = [evaluation("fine", seed, value) for seed, value in ((1, 0.5), (2, 0.6), (3, 0.7))]
    evaluations.append(evaluation(LONG, 2, 0.25))
    failed = failed_seeds(evaluations, expected)
    reasons = {("lost", 1): "The loss of seed 1 is no longer finite at step [red]3[/]."}
    rows = summarise(evaluations, expected)
    write_summary(rows, failed, tmp_path / "summary.csv", tmp_path / "summary.json", reasons)
    (tmp_path / "report.html").touch()
    return tmp_path


def shown(folder):
    stream = io.StringIO()
    show_summary(folder, console(stream))
    return stream.getvalue()


def test_one_row_per_run_and_split_with_interval_chance_and_seeds(folder):
    lines = [line.split() for line in shown(folder).splitlines()]
    # Mean 0.6, sd 0.1, t of two degrees of freedom 4.3027: by hand.
    assert ["test", "1,200", "24", "0.600", "0.352–0.848", "0.042"] in [line[:6] for line in lines]
    rows = [line for line in lines if line and line[0] in ("test", "ood_alone")]
    assert len(rows) == 6
    assert [row[-2:] for row in rows] == [["3", "0"]] * 2 + [["1", "1"]] * 2 + [["0", "1"]] * 2
    assert rows[2][3:5] == ["0.250", "–"]
    assert rows[4][3:5] == ["–", "–"]
    header = next(line for line in lines if line[:1] == ["split"])
    assert " ".join(header) == "split images classes acc@1 95 % chance acc@3 exch. seeds failed"


def test_failed_seeds_are_listed_with_their_reason_and_markup_is_text(folder):
    text = shown(folder)
    assert "Run lost, seed 1 failed: The loss of seed 1 is no longer finite at step [red]3[/]." in text
    assert "a metric is missing or is not finite" in text


def test_only_pages_that_exist_are_named(folder):
    assert f"The report: {folder / 'report.html'}\n" in shown(folder)
    assert "browser" not in shown(folder)
    (folder / "browser.html").touch()
    assert f"The browser: {folder / 'browser.html'}\n" in shown(folder)


def test_a_file_gets_no_escape_codes(folder):
    assert "\x1b" not in shown(folder)


@pytest.mark.parametrize(("columns", "env", "coloured"), [(80, {}, True), (80, {"NO_COLOR": "1"}, False)])
def test_a_terminal_of_80_columns_holds_every_line(folder, columns, env, coloured):
    text, statuses = seen(python(SHOW, str(folder)), columns=columns, env=env)
    assert statuses == [0]
    assert ("\x1b" in text) == coloured
    lines = ESCAPE.sub("", text).split("\r\n")
    table = [line for line in lines if not line.startswith(("The report", "Run "))]
    assert max(map(len, table)) <= columns
    assert "…" not in text
    assert LONG in "".join(line.strip() for line in lines)
    assert sum(line.split()[:1] == ["test"] for line in lines) == 3


def test_nocolor_of_the_command_line_counts(folder):
    text, _ = seen(python(SHOW, str(folder), "plain"))
    assert "\x1b" not in text


def test_a_terminal_without_unicode_gets_other_signs(folder):
    text, statuses = seen(python(SHOW, str(folder)), env={"PYTHONIOENCODING": "ascii", "NO_COLOR": "1"})
    assert statuses == [0]
    assert text.isascii()
    assert "0.352-0.848" in text
    assert "?" not in text


def test_control_characters_are_shown_as_text():
    assert literal("a\x1b[31mb\rc\u202ed").plain == r"a\x1b[31mb\rc\u202ed"


def test_a_summary_of_another_version_is_refused(folder):
    (folder / "summary.json").write_text(json.dumps({"rows": [{"run": "x"}], "failed": []}))
    with pytest.raises(Exception, match="was not written by this version"):
        shown(folder)
