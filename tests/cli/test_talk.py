"""`parley talk`: which run and experiment it takes. Its dialogues are in tests/end_to_end/test_provenance.py."""

import pytest
import yaml


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Write the config.yaml of an experiment with some runs, and an image file beside the results."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.jpg").write_bytes(b"")

    def write(name, *runs):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        config = {"runs": [{"name": run} for run in runs], "seeds": [1, 2]}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))

    return write


def test_the_only_run_of_the_only_experiment_is_taken(experiment, refused):
    experiment("one", "adaptive")
    (told,) = refused("talk", "cat.jpg")
    assert told.startswith("No seed of the run adaptive of results/one is trained;")


def test_of_several_runs_one_must_be_given(experiment, refused):
    experiment("one", "fixed", "adaptive")
    assert refused("talk", "cat.jpg") == ["results/one has 2 runs; give one with --run: fixed, adaptive."]
    (told,) = refused("talk", "cat.jpg", "--run", "fixed")
    assert told.startswith("No seed of the run fixed of")


def test_of_several_experiments_one_must_be_given(experiment, refused):
    experiment("one", "adaptive")
    experiment("two", "adaptive")
    (told,) = refused("talk", "cat.jpg")
    assert told.endswith("found results/one, results/two.")
    (told,) = refused("talk", "cat.jpg", "--results", "results/two")
    assert told.startswith("No seed of the run adaptive of results/two is trained;")
