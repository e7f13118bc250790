"""What the Containerfile makes runs the workflow, by itself and in pods, and comes to the bytes that `uv` comes to."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from container_recipe import Image, instructions
from kube_api import kubernetes, started
from object_store import object_store
from pods import in_git, submit
from same_bytes import differing
from tiny_runs import TINY, write_classes
from whole_lines import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("PARLEY_LONG"), reason="downloads 4 GB of packages; PARLEY_LONG=1 runs it"),
    pytest.mark.skipif(
        not shutil.which("debootstrap") or os.geteuid() != 0, reason="needs Debian's debootstrap, and root for chroot"
    ),
]


@pytest.fixture(scope="module")
def image():
    with tempfile.TemporaryDirectory() as folder:
        made = Image(Path(folder) / "image", ROOT)
        for name, rest in instructions(ROOT / "Containerfile"):
            made.follow(name, rest)
        yield made


@pytest.fixture(scope="module")
def outside(another_project):
    """The smallest experiment as this machine makes it."""
    project = tiny(another_project)
    project.snakemake("--cores", "2", config="stored.yaml")
    return project


def tiny(another_project):
    project = another_project()
    write_classes(project.folder)
    project.write_config("stored", **TINY)
    return project


def test_an_experiment_in_the_image_has_the_bytes_of_one_outside(another_project, image, outside):
    inside = tiny(another_project)
    told = image.run("snakemake --cores 2 --configfile stored.yaml", {"/workdir": inside.folder})
    assert "100%" in told
    assert (inside.folder / "results/stored/report.html").is_file()
    assert differing(outside.folder, inside.folder) == []


def test_pods_of_the_image_have_them_too_and_need_no_packages_from_the_web(another_project, image, outside, tmp_path):
    spread = tiny(another_project)
    in_git(spread.folder)

    def in_image(folder: Path, command: list[str], variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
        return started(folder, image.entering(command, {"/workdir": folder}), variables | image.variables, log)

    with object_store(tmp_path / "log") as store, kubernetes(tmp_path / "cluster", {}, in_image) as cluster:
        submit(spread.folder, cluster, store)
        assert any("Looking in links: /opt/wheels" in pod.log.read_text() for pod in cluster.gone)
        store.download("parley", "here/", tmp_path / "stored")
    assert differing(outside.folder, tmp_path / "stored", below=("results",)) == []
