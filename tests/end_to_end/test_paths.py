"""Projects and working folders of any name, and the workflow from elsewhere: `--directory`, `-s`, `module`."""

import shutil
import subprocess
import sys
import sysconfig
import unicodedata
from pathlib import Path

import pytest
import yaml
from tiny_runs import TINY
from whole_lines import ROOT, SNAKEMAKE, picture, preloaded_snakemake

pytestmark = pytest.mark.slow

LONGEST_S = 600
WORLD = {"experiment": "world", **TINY, "classes": "config/classes/world.tsv"}


def run(folder, *command, python=None, ok=True):
    done = subprocess.run(
        [*((python, SNAKEMAKE[1]) if python else preloaded_snakemake()), *command],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_S,
    )
    assert (done.returncode == 0) == ok, done.stdout[-6000:]
    assert ok or "Traceback" not in done.stdout
    return done.stdout


def with_python(project):
    """Give a project an interpreter of its own below it, as `uv run` does; return the interpreter."""
    bin_, packages = project / ".venv/bin", project / ".venv/lib" / Path(sysconfig.get_path("purelib")).parent.name
    bin_.mkdir(parents=True)
    (packages / "site-packages").mkdir(parents=True)
    home = Path(sys.executable).resolve()
    (bin_ / "python").symlink_to(home)
    (project / ".venv/pyvenv.cfg").write_text(f"home = {home.parent}\nversion = {sys.version.split()[0]}\n")
    found = f"{sysconfig.get_path('purelib')}\n{project}/src\n"
    (packages / "site-packages/all.pth").write_text(found)
    return str(bin_ / "python")


@pytest.mark.parametrize(
    "name",
    [
        "it's a [new] (copy) & 100% of #1; é, ~x!.",
        'a "quoted" name with $HOME, `pwd`, \\n, *, ?, <, >, |, = and $(touch x)',
    ],
)
def test_a_project_in_a_folder_of_any_name(finished, tmp_path, monkeypatch, name):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / name / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    shutil.copy(ROOT / "CITATION.cff", folder)
    python = with_python(folder)
    arguments = ("--cores", "2", "--forcerun", "settle", "--configfile", "tiny.yaml", "--", "splits")
    assert "(100%) done" in run(folder, *arguments, python=python)
    # Snakemake starts another process for a job that is not a script.
    (folder / "own.smk").write_text(
        'configfile: "tiny.yaml"\n'
        "module parley:\n"
        '    snakefile: "Snakefile"\n'
        "    config: config\n"
        "use rule * from parley as parley_*\n"
        "rule own:\n"
        '    output: "own.txt"\n'
        '    run: open(output[0], "w").close()\n'
    )
    run(folder, "-s", "own.smk", "--cores", "1", "own.txt", python=python)
    assert (folder / "own.txt").exists()
    text = ["--descriptions", "results/tiny/descriptions.csv", "--words", "results/tiny/words.hdf5"]
    run_files = ["results/tiny/runs/adaptive/1/best.pt", "--features", "results/tiny/test.hdf5", *text]
    for command in (
        ["status"],
        ["clean"],
        ["verify", "results/tiny"],
        ["explain", "results/tiny/splits.tsv"],
        ["crate", "results/tiny", "--out", "a crate.zip"],
        ["evaluate", *run_files, "--out", name],
    ):
        done = subprocess.run([python, "-m", "parley.cli.main", *command], cwd=folder, capture_output=True, text=True)
        assert "defect of Parley" not in done.stderr
        assert done.returncode == 0 or command == ["status"], done.stdout + done.stderr


def test_braces_in_the_path_of_the_project_are_refused(another_project):
    project = another_project()
    folder = project.folder / "a{b}"
    folder.mkdir()
    for name in ("Snakefile", "config.yaml", "config", "profiles", "workflow", "src"):
        (folder / name).symlink_to(project.folder / name)
    out = run(folder, "-s", folder / "Snakefile", "-n", ok=False)
    assert "a{b} contains a brace, which Snakemake would read as a wildcard; rename the folder" in out


@pytest.mark.parametrize("options", [["--directory"], ["--snakefile"]])
@pytest.mark.parametrize("name", ["plain", "it's {here} & [there]."])
def test_the_workflow_in_another_folder(project, tmp_path, options, name):
    elsewhere = tmp_path / name
    elsewhere.mkdir()
    config = elsewhere / "world.yaml"
    config.write_text(yaml.safe_dump(WORLD))
    here = project.folder if options == ["--directory"] else elsewhere
    given = elsewhere if options == ["--directory"] else project.folder / "Snakefile"
    run(here, *options, given, "--cores", "1", "--configfile", config, "--", "results/world/descriptions.csv")
    assert (elsewhere / "results/world/descriptions.csv").read_text().count("\n") == 30
    out = run(here, *options, given, "-n", "plan")  # Of the project's own config.yaml.
    assert "draw_world" in out
    config.write_text(yaml.safe_dump({**WORLD, "classes": "none.tsv"}))
    out = run(here, *options, given, "-n", "plan", "--configfile", config, ok=False)
    assert (f"Paths are relative to {elsewhere}, the run's --directory." in out) == (options == ["--directory"])


def test_paths_below_the_home_folder(project, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("ant", "b\u00e4r")
    for name in names:
        folder = tmp_path / "my pictures" / unicodedata.normalize("NFD", name)
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.jpg").write_bytes(picture(f"{name}{number}"))
        (folder / "gone.jpg").symlink_to("nowhere.jpg")
        (folder / "circle.jpg").symlink_to("circle.jpg")
    rows = "".join(f"{name}\t\tin\ta small {name} of wood\n" for name in names)
    (tmp_path / "mine.tsv").write_text("class\twnid\tdomain\tdescription\n" + rows)
    (tmp_path / "without.txt").write_text("# none\n")
    config = {
        **TINY,
        "experiment": "home",
        "classes": "~/mine.tsv",
        "source": {"kind": "folder", "folder": {"root": "~/my pictures"}},
        "split": {"in": {"train": 2, "dev": 1, "test": 1}, "out": {}},
        "fetch": {"margin": 2, "exclude": "~/without.txt", "near_copies": "ignore"},
        "training": {**TINY["training"], "batch_size": 2},
    }
    (tmp_path / "home.yaml").write_text(yaml.safe_dump(config))
    run(project.folder, "splits", "--cores", "2", "--configfile", tmp_path / "home.yaml")
    assert (project.folder / "results/home/splits.tsv").read_text().count("\n") == 9


@pytest.mark.parametrize("prefix", ["", "of parley"])
def test_another_workflow_uses_parley_as_a_module(project, tmp_path, prefix):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"mine": 1, "parley": WORLD}))
    (tmp_path / "Snakefile").write_text(
        'configfile: "c.yaml"\n'
        "module parley:\n"
        f"    snakefile: {str(project.folder / 'Snakefile')!r}\n"
        '    config: config["parley"]\n'
        + (f"    prefix: {prefix!r}\n" if prefix else "")
        + "use rule * from parley as parley_*\n"
        "rule all:\n"
        "    default_target: True\n"
        "    input: rules.parley_descriptions.input, rules.parley_plan.input\n"
        '    output: "count"\n'
        '    shell: "wc -l {input[0]:q} > {output}"\n'
    )
    run(tmp_path, "--cores", "2", "--config", "mine=2")
    run(tmp_path, "-n", "parley_all", "parley_metrics", "parley_export")
    assert (tmp_path / "count").read_text().split()[0] == "30"
    assert (tmp_path / prefix / "results/world/descriptions.csv").is_file()
