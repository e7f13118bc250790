"""The wheel, installed in an environment of its own: the workflow runs in a folder that has only a config."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml
from tiny_runs import TINY, write_classes
from whole_lines import ROOT

from parley.provenance.crate import _code_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("uv"), reason="uv builds and installs the wheel"),
]
LONGEST_S = 600
LISTED = """
from parley.core.installation import PROJECT
from parley.provenance.crate import _code_files
print(*sorted(name for name, _ in _code_files(PROJECT)))
"""


def uv(*arguments):
    subprocess.run(["uv", *map(str, arguments)], cwd=ROOT, check=True, timeout=LONGEST_S)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--wheel", "--out-dir", folder)
    (made,) = folder.glob("parley_emcom-*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Folder of the programs of an environment with the wheel; what it depends on is taken from this environment."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, folder)
    uv("pip", "install", "--quiet", "--no-deps", "--python", folder, wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Its own .pth files, that of the clone's editable installation among them, are not read.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin"


@pytest.fixture
def call(environment, tmp_path, monkeypatch):
    """Run a program of this environment in a folder with a config and a class set, and nothing else."""
    folder = tmp_path / "some folder"
    (folder / "config/classes").mkdir(parents=True)
    shutil.copy(ROOT / "config/classes/world.tsv", folder / "config/classes")
    write_classes(folder)
    shutil.rmtree(folder / "config")
    (folder / "my.yaml").write_text(yaml.safe_dump({"experiment": "mine", **TINY}))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(folder)

    def run(program, *arguments, status=0):
        done = subprocess.run(
            [environment / program, *arguments],
            env={**os.environ, "PATH": f"{environment}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_S,
        )
        assert done.returncode == status, done.stdout[-6000:]
        assert "uv run" not in done.stdout
        return done.stdout

    return run


def test_the_workflow_runs_in_a_folder_that_has_only_a_config(call):
    told = call("parley", "run", "--cores", "2", "--configfile", "my.yaml", "splits")
    assert "100%" in told
    rows = Path("results/mine/splits.tsv").read_text().splitlines()
    assert len(rows) == 1 + 4 * (6 + 2 + 2) + 2 * 3
    assert "Nothing to be done" in call("parley", "run", "--cores", "2", "--configfile", "my.yaml", "splits")
    told = call("parley", "status", "--configfile", "my.yaml", status=1)
    assert "jobs to do: parley run --cores all --configfile my.yaml" in told
    assert "draw_world" in call("parley", "explain", "results/mine/splits.tsv")
    assert "kept" in call("parley", "clean", "--configfile", "my.yaml")
    told = call("parley", "run", "--cores", "1", "--configfile", "my.yaml", "zzz", status=1)
    assert "There is no target zzz; `parley run --list-target-rules` lists them." in told


def test_files_of_other_commands_are_in_the_package(call):
    call("parley", "config-docs", "--out", "keys.md")
    assert Path("keys.md").read_bytes() == (ROOT / "config/README.md").read_bytes()
    # The default experiment's config and class set are in the package, too.
    assert "fetch_images" in call("parley", "run", "--cores", "1", "--dry-run", "images")
    call("parley", "init")
    assert Path("config/animals30.yaml").read_bytes() == (ROOT / "config/animals30.yaml").read_bytes()
    assert "fetch_images" in call("parley", "run", "--cores", "1", "--dry-run", "images")
    assert call("python", "-c", LISTED).split() == sorted(name for name, _ in _code_files(ROOT))


def test_a_job_in_an_environment_without_parley_finds_the_package_last(call, environment, monkeypatch):
    """As in the environments that `--sdm conda` makes: -S leaves out site-packages."""
    monkeypatch.setenv("PYTHONPATH", sysconfig.get_path("purelib"))
    (scripts,) = environment.parent.glob("lib/python*/site-packages/parley/project/workflow/scripts")
    code = "import sys; sys.path.insert(0, sys.argv[1]); import stage; print(sys.path[-1])"
    assert call("python", "-S", "-c", code, scripts).strip() == str(scripts.parents[3])


def test_the_wheel_has_no_tests_and_no_exact_versions(wheel):
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        (about,) = (files.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    assert {name.split("/")[0] for name in names} - {"parley", "snakemake_logger_plugin_parley"} == {
        name.split("/")[0] for name in names if ".dist-info/" in name
    }
    assert [line for line in about.splitlines() if re.match(r"Requires-Dist: [^;]*==[^;]*$", line)] == []
