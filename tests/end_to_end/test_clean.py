"""`parley clean` removes what no experiment uses, and the workflow makes it again."""

import json
import shutil

import pytest
from tiny_runs import TINY, write_classes

pytestmark = pytest.mark.slow


def clean(project, *arguments):
    return json.loads(project.parley("clean", "--json", *arguments))


def files(project):
    """The content of the shared files of an experiment; records and dates tell times."""
    return {
        str(path.relative_to(project.folder)): path.read_bytes()
        for path in (project.folder / "resources").rglob("*")
        if path.is_file() and path.suffix in (".tar", ".hdf5", ".png", ".list", ".txt")
    }


def test_what_a_deleted_experiment_used_goes_and_is_made_again(project):
    write_classes(project.folder)
    configs = {name: project.write_config(name, **TINY, seed=seed) for name, seed in (("kept", 1), ("gone", 2))}
    for name, config in configs.items():
        project.snakemake("--cores", "1", "features", f"results/{name}/config.yaml", config=config)
    both = files(project)
    assert clean(project, "--remove")["unused"] == []
    assert files(project) == both

    shutil.rmtree(project.folder / "results/gone")
    removed = clean(project, "--remove")["unused"]
    assert {one["kind"] for one in removed} == {"images", "plans", "hashes", "features", "drawn images"}
    kept = files(project)
    assert 0 < len(kept) < len(both)
    assert kept.items() < both.items()
    assert project.jobs(configs["kept"], "features", "results/kept/config.yaml") == {}

    project.snakemake("--cores", "1", "features", "results/gone/config.yaml", config=configs["gone"])
    assert files(project) == both
    assert clean(project)["unused"] == []
