"""`parley clean` removes what no experiment uses, and the workflow makes it again."""

import json
import shutil

import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished):
    return finished


def clean(project, *arguments):
    return json.loads(project.parley("clean", "--json", *arguments))


def files(project):
    """The content of the shared files of an experiment; records and dates tell times."""
    return {
        str(path.relative_to(project.folder)): path.read_bytes()
        for path in (project.folder / "resources").rglob("*")
        if path.is_file() and path.suffix in (".tar", ".hdf5", ".png", ".list", ".txt")
    }


def test_files_of_a_deleted_experiment_are_removed_and_made_again(project):
    config = project.write_config("gone", **TINY, seed=2)
    project.snakemake("--cores", "1", "features", "results/gone/config.yaml", config=config)
    both = files(project)
    assert clean(project, "--remove")["unused"] == []
    assert files(project) == both

    shutil.rmtree(project.folder / "results/gone")
    removed = clean(project, "--remove")["unused"]
    assert {one["kind"] for one in removed} == {"images", "plans", "hashes", "features", "drawn images"}
    kept = files(project)
    assert 0 < len(kept) < len(both)
    assert kept.items() < both.items()
    assert project.jobs(project.folder / "tiny.yaml") == {}

    project.snakemake("--cores", "1", "features", "results/gone/config.yaml", config=config)
    assert files(project) == both
    assert clean(project)["unused"] == []
