"""Which tests a call of pytest runs: the quick ones, or those of the files that it names, or with --all all.

Which plugins a call of Snakemake in these tests loads.
"""

import re
import subprocess
from pathlib import Path

import pytest
from whole_lines import SNAKEMAKE

pytest_plugins = ["pytester"]
QUICK, SLOW = "def test_quick(): pass", "import pytest\n@pytest.mark.slow\ndef test_slow(): pass"
BROWSER = "import pytest\n@pytest.fixture\ndef chromium(): pass\ndef test_page(chromium): pass"
TOLD = "Slow tests left out: 1. `uv run --extra test pytest --all` runs all."


@pytest.fixture
def run(pytester):
    """Run pytest on a quick test, a slow one and one of a browser, with the conftest.py of these tests."""
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    pytester.makeini("[pytest]\naddopts = --import-mode=importlib --strict-markers\nmarkers = slow")
    for folder, modules in {"some": {"test_quick": QUICK, "test_slow": SLOW}, "more": {"test_page": BROWSER}}.items():
        pytester.mkdir(folder)
        for name, text in modules.items():
            (pytester.path / folder / f"{name}.py").write_text(text)

    def call(*arguments):
        done = pytester.runpytest(*arguments)
        *_, summary, last = done.outlines
        return done.parseoutcomes(), last if " in " in summary else ""

    return call


def test_a_bare_call_leaves_out_slow_tests_and_browsers_and_says_so_last(run):
    outcomes, last = run()
    assert outcomes == {"passed": 1, "deselected": 2}
    assert last == TOLD.replace("1", "2")


def test_of_a_folder_too(run):
    assert run("some") == ({"passed": 1, "deselected": 1}, TOLD)
    assert run("some", "-k", "quick") == ({"passed": 1, "deselected": 1}, "")


@pytest.mark.parametrize("name", ["some/test_slow.py", "some/test_slow.py::test_slow", "more/test_page.py"])
def test_named_tests_run(run, name):
    assert run(name) == ({"passed": 1}, "")


def test_naming_one_file_does_not_add_the_slow_tests_of_another(run):
    assert run("more/test_page.py", "some") == ({"passed": 2, "deselected": 1}, TOLD)


def test_all_runs_all(run):
    assert run("--all") == ({"passed": 3}, "")
    assert run("-m", "slow") == ({"passed": 1, "deselected": 2}, "")


def test_named_tests_run_in_one_process(run, capsys):
    assert run("-n", "auto", "some/test_slow.py") == ({"passed": 1}, "")
    assert "workers" not in capsys.readouterr().out


@pytest.mark.slow
def test_workers_of_xdist_count_once(run):
    outcomes, last = run("-n", "auto", "--dist", "loadfile")
    assert outcomes == {"passed": 1}
    assert last == TOLD.replace("1", "2")


@pytest.mark.parametrize("named", [["--executor", "slurm-jobstep"], ["--executor=slurm-jobstep"]])
def test_only_the_named_executor_is_loaded(named):
    text = subprocess.run([*SNAKEMAKE, *named, "--help"], capture_output=True, text=True, check=True).stdout
    executors = re.search(r"--executor \{(.*?)\}", text)[1]
    assert set(executors.split(",")) == {"local", "dryrun", "touch", "slurm-jobstep"}
