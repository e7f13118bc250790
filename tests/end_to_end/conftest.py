"""A copy of the project to run Snakemake in, and a server of files beside it."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tiny_runs import TINY, write_classes
from whole_lines import SNAKEMAKE, copy_project, preloaded_snakemake

LONGEST_S = 1500
SERVED_S = 7200
"""A file server ends by itself after this time; a module whose tests share one may take long on a busy machine."""


@dataclass
class Project:
    """A copy of the project's files; edits and results stay in it."""

    folder: Path

    def snakemake(self, *arguments, config=None, ok=True, preloaded=True):
        # What jobs say is looked at, too: the view of stages has tests of its own.
        command = [*(preloaded_snakemake() if preloaded else SNAKEMAKE), "--logger-parley-full", *arguments]
        if config is not None:
            command += ["--configfile", str(config)]
        done = subprocess.run(
            command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST_S
        )
        assert (done.returncode == 0) == ok, done.stdout[-6000:]
        return done.stdout

    def command(self, *arguments):
        """The finished process of a command of Parley."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
        command = [sys.executable, "-m", "parley.cli.main", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=LONGEST_S
        )

    def parley(self, *arguments):
        """What a command of Parley prints."""
        done = self.command(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def write_config(self, name, **values):
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"experiment": name, **values}))
        return path

    def planned(self, config, *arguments):
        """Names of the rules that a dry run would run."""
        return set(self.jobs(config, *arguments))

    def jobs(self, config, *arguments):
        """How many jobs of each rule a dry run would run."""
        out = self.snakemake("--quiet", "host", "-n", *arguments, config=config)
        if "Nothing to be done" in out:
            return {}
        table = out.split("Job stats:")[-1].split("total")[0]
        return {match[1]: int(match[2]) for match in re.finditer(r"^(\w+) +(\d+)$", table, re.MULTILINE)}

    def changed(self, config, *arguments):
        """Names of the rules that a dry run would run because their params changed."""
        out = self.snakemake("--quiet", "host", "-n", *arguments, config=config)
        if "params have changed since last execution" not in out:
            return set()
        block = out.split("params have changed since last execution:")[-1].strip().splitlines()[0]
        return {name.strip() for name in block.split(",")}

    def edit(self, name, text):
        path = self.folder / name
        path.write_text(path.read_text() + text)


@pytest.fixture(scope="module")
def another_project(tmp_path_factory):
    """Make one more copy of the project."""

    def copy():
        folder = tmp_path_factory.mktemp("project")
        copy_project(folder)
        return Project(folder)

    return copy


@pytest.fixture(scope="module")
def project(another_project):
    return another_project()


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory, worker_id):
    """The folder of a project with the finished experiment `tiny` of `TINY`, made once for all workers of pytest."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = tmp_path_factory.mktemp("making")
            copy_project(making)
            write_classes(making)
            made = Project(making)
            made.snakemake("--cores", "2", config=made.write_config("tiny", **TINY).name)
            making.rename(folder)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory, finished_once):
    """A copy of this project. Other experiments in it find the images and features of `TINY` made."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(finished_once, folder, symlinks=True)
    return Project(folder)


class FileServer:
    """A folder on loopback, in a process of its own."""

    def __init__(self, folder, log):
        self.log = log
        log.touch()
        script = Path(__file__).with_name("file_server.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder), str(log), str(SERVED_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def requests(self):
        return self.log.read_text().splitlines()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Serve a folder for the length of a module."""
    running = []

    def start(folder):
        server = FileServer(folder, tmp_path_factory.mktemp("server") / "requests.log")
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()
