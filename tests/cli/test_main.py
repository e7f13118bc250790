"""The command line itself: its help, its version, and commands that do not exist."""

import argparse
import subprocess
import sys

import pytest

from parley import __version__
from parley.cli.main import main, make_parser
from parley.core.installation import PROJECT


def ended(capsys, *arguments):
    """Exit status and output of a call that argparse itself ends."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code, *capsys.readouterr()


def test_without_a_command_the_help_is_printed(capsys):
    status, out, err = ended(capsys)
    assert (status, err) == (0, "")
    assert all(f"\n    {name}" in out for name in make_parser()[1])
    assert ended(capsys, "--help") == (0, out, "")


def test_the_version_is_the_packages(capsys):
    assert ended(capsys, "--version") == (0, f"parley {__version__}\n", "")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("staus", "did you mean status?"),
        ("eval", "did you mean evaluate?"),
        ("config", "did you mean config-docs?"),
        ("zzz", "`uv run parley --help` lists the commands."),
    ],
)
def test_an_unknown_command_gets_a_suggestion(capsys, typed, hint):
    status, out, err = ended(capsys, typed, "--results", "x")
    assert (status, out) == (2, "")
    assert err.endswith(f"parley: error: there is no command {typed!r}; {hint}\n")


@pytest.mark.parametrize("typed", [["--out=~/a page.md"], ["--out", "~/a page.md"]])
def test_a_tilde_that_the_shell_leaves_means_the_home_folder(tmp_path, monkeypatch, typed):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["config-docs", *typed]) == 0
    assert (tmp_path / "a page.md").read_text().startswith("# Every key")


def test_the_home_of_an_unknown_user_is_a_missing_file(capsys):
    assert main(["explain", "~nobody-here/results/a"]) == 1
    assert capsys.readouterr().err == "~nobody-here/results/a does not exist; check the path.\n"


def undocumented(parser):
    """What a parser, or one below it, does not explain."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            listed = {choice.dest: choice.help for choice in action._choices_actions}
            yield from (name for name in action.choices if not listed.get(name))
            for below in action.choices.values():
                yield from undocumented(below)
        elif not action.help or action.help == argparse.SUPPRESS:
            yield f"{parser.prog} {'/'.join(action.option_strings) or action.dest}"


def test_every_command_and_option_is_explained():
    assert list(undocumented(make_parser()[0])) == []


def test_commands_without_help_are_found():
    parser = argparse.ArgumentParser(prog="p")
    commands = parser.add_subparsers()
    commands.add_parser("told", help="this").add_argument("--option")
    commands.add_parser("untold").add_argument("file")
    assert sorted(undocumented(parser)) == ["p told --option", "p untold file", "untold"]


def test_python_runs_it_as_a_module():
    done = subprocess.run([sys.executable, "-m", "parley.cli.main", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"parley {__version__}\n")


def test_the_status_of_an_experiment_of_another_folder_names_that_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(PROJECT)
    folder = tmp_path / "results/mine"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("experiment: mine\n")
    assert main(["status", str(folder)]) == 2
    assert capsys.readouterr().err == f"{folder} belongs to another folder; run this command in {tmp_path}.\n"


@pytest.mark.parametrize("folder", ["/", "/tmp"])
def test_the_status_of_a_folder_at_the_top_is_an_error(folder, capsys, monkeypatch):
    monkeypatch.chdir(PROJECT)
    assert main(["status", folder]) == 2
    assert capsys.readouterr().err.startswith(f"{folder} has no config.yaml yet; ")


@pytest.mark.parametrize("folder", ["nope", "results/nope", "/nope"])
def test_status_names_a_missing_folder(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["status", folder]) == 2
    assert capsys.readouterr().err.startswith(f"{folder} is not a folder; give the path of an experiment's folder")


def test_status_of_a_copied_folder_is_refused(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/copy").mkdir(parents=True)
    (tmp_path / "results/copy/config.yaml").write_text("experiment: mine\n")
    assert main(["status", "results/copy"]) == 2
    told = "results/copy/config.yaml belongs to experiment mine, whose folder is results/mine; give that folder"
    assert capsys.readouterr().err.startswith(told)
