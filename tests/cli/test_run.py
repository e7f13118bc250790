"""`parley run` and `parley init`, as far as they need no workflow to run; tests/end_to_end/test_package.py runs it."""

import os
import sys
from pathlib import Path

import pytest

from parley.cli.main import main
from parley.cli.run import targets_first
from parley.core import installation
from parley.core.errors import ParleyError
from parley.core.terminal import literal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def replaced(monkeypatch):
    """The command that would replace the process."""
    commands = []
    monkeypatch.setattr(os, "execv", lambda program, command: commands.append(command))

    def run(*arguments):
        assert main(["run", *arguments]) == 0
        assert commands[-1][:3] == [sys.executable, "-P", "-c"]
        return commands.pop()[4:]

    return run


def test_from_any_folder_the_snakefile_is_named_and_all_options_are_passed_on(replaced, tmp_path, monkeypatch):
    options = ["--cores", "8", "-n", "--config", "seeds=[1]", "--quiet", "all", "--", "splits", "--help"]
    monkeypatch.chdir(ROOT)
    assert replaced(*options) == options
    monkeypatch.chdir(tmp_path)
    assert replaced(*options) == ["--snakefile", str(ROOT / "Snakefile"), *options]


@pytest.mark.parametrize(
    ("typed", "passed"),
    [
        ("--cores 2 --configfile a.yaml splits", "splits --cores 2 --configfile a.yaml"),
        ("--configfile a.yaml b.yml c.json train words -n", "train words --configfile a.yaml b.yml c.json -n"),
        ("--configfiles a.yaml splits", "splits --configfiles a.yaml"),
        ("--configfile a.txt splits", "splits --configfile a.txt"),
        ("--configfile a.yaml --cores 2 splits", "--configfile a.yaml --cores 2 splits"),
        ("--configfile=a.yaml splits", "--configfile=a.yaml splits"),
        ("splits --configfile", "splits --configfile"),
        ("--cores 2", "--cores 2"),
    ],
)
def test_targets_after_the_configs_are_targets(typed, passed):
    assert targets_first(typed.split()) == passed.split()


def test_help_is_parleys_and_short(capsys):
    for option in ("-h", "--help"):
        assert main(["run", option]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "snakemake --help" in told
        assert len(told) < 1000


def test_another_clone_is_not_run_by_this_ones_code(tmp_path, monkeypatch, capsys):
    (tmp_path / "src/parley").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--cores", "1"]) == 1
    assert f"Snakemake would run the code in {tmp_path}/src/parley" in capsys.readouterr().err


def test_init_copies_editable_files_and_overwrites_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    for name in ("config.yaml", "config/photos.yaml", "config/classes/world.tsv", "profiles/slurm/config.yaml"):
        assert Path(name).read_bytes() == (ROOT / name).read_bytes()
    Path("config.yaml").write_text("experiment: mine\n")
    capsys.readouterr()
    assert main(["init"]) == 1
    told = capsys.readouterr().err
    assert (
        told == "This folder already has config.yaml, config, profiles; run `uv run parley init` in an empty folder.\n"
    )
    assert Path("config.yaml").read_text() == "experiment: mine\n"


def test_messages_of_an_installed_package_name_parley_run(monkeypatch):
    sentence = "Run `uv run snakemake --cores 1 images`, then `uv run parley status`."
    assert ParleyError(sentence).findings == [sentence]
    monkeypatch.setattr(installation, "IS_CLONE", False)
    typed = "Run `parley run --cores 1 images`, then `parley status`."
    assert ParleyError([sentence]).findings == [typed]
    assert literal(sentence).plain == typed
