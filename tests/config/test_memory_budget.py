"""Memory and disk for dialogues are checked before anything is computed."""

import re
import shutil
from pathlib import Path

import h5py
import pytest
import torch

from parley.config import memory_budget
from parley.config.memory_budget import (
    check_disk,
    dialogues_mb,
    final_scores_mb,
    require_memory,
    require_memory_for_classifier,
    require_memory_for_interventions,
    scores_bytes,
)
from parley.config.schema import read_schema
from parley.config.validation import resolve
from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.game.types import Images
from parley.interaction.split_data import Part, random_subset

SCHEMA = read_schema(Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml")


def config_of(recorded=None):
    source = {"kind": "folder", "folder": {"root": "x"}}
    own = {"experiment": "many", "classes": "c.tsv", "source": source, "runs": [{"name": "a"}], "seeds": [1, 2]}
    return resolve(own | {"evaluation": {"recorded_images": recorded}}, SCHEMA)


def classes_of(seen, unseen):
    return [ImageClass(f"c{number}", "", "in" if number < seen else "out") for number in range(seen + unseen)]


def test_the_size_is_that_of_the_table(tmp_path):
    """Of 4 images, 3 exchanges and 7 candidates: what the column of scores takes in a file."""
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        table = file.create_dataset("Predictions", (4 * 3,), [("Predictions", "<f4", (7,))])
        assert scores_bytes(4, 3, 7) == table.nbytes


def test_a_paper_s_experiment_fits(tmp_path):
    assert check_disk(config_of(), classes_of(60, 10), tmp_path / "results/many") == []


def test_imagenet_exceeds_the_disk_and_the_advice_holds(tmp_path):
    """21,841 classes, 70 images of each, 10 exchanges, 2 seeds: petabytes are not free here."""
    classes = classes_of(20_000, 1841)
    [finding] = check_disk(config_of(), classes, tmp_path / "results/many")
    # train, dev and test among the seen; ood among all and alone.
    by_hand = 2 * 10 * 4 * (20_000 * 70 * 20_000 + 1841 * 20 * (21_841 + 1841))
    assert f"{by_hand / 1e12:.1f} TB" in finding
    advised = int(re.search(r"recorded_images to ([0-9,]+) or fewer", finding)[1].replace(",", ""))
    if shutil.disk_usage(tmp_path).free > 100e9:
        assert advised > 100
    assert check_disk(config_of(advised), classes, tmp_path / "results/many") == []


def test_features_given_ready_made_are_not_counted(tmp_path):
    assert check_disk(config_of(), [], tmp_path) == []


def test_dialogues_that_do_not_fit_into_the_free_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_budget, "free_memory", lambda: 1_024_000_000)
    require_memory(1000, 10, 8000, "test")  # 0.96 GB, and 1.02 are free
    with pytest.raises(ParleyError, match=r"split dev, of 10 exchanges .* need 1.2 GB of memory, but 1.0 GB is free"):
        require_memory(1000, 10, 10_000, "dev")
    monkeypatch.setattr(memory_budget, "free_memory", lambda: None)
    require_memory(10**9, 10, 10**6, "dev")  # a system that does not say


def test_interventions_need_memory_for_final_scores_only(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_budget, "free_memory", lambda: 1_024_000_000)
    require_memory_for_interventions(6000, 10_000, "test")  # four times 0.24 GB
    with pytest.raises(ParleyError, match=r"the 7,000 images of the split ood, .* of 10,000 candidates, need 1.1 GB"):
        require_memory_for_interventions(7000, 10_000, "ood")


def test_jobs_request_memory_for_their_dialogues(tmp_path):
    """Of 1,000 seen classes, 40 images a class in the train split and 10 exchanges: 1.6 GB of scores, three times."""
    config = config_of()
    assert config["split"]["in"]["train"] == 40
    assert dialogues_mb(config, classes_of(30, 10)) == 0
    assert dialogues_mb(config, classes_of(1000, 0)) == 4800
    # Of 500 images of the ood split among all: 0.02 GB.
    assert dialogues_mb(config_of(500), classes_of(1000, 500)) == 0
    assert dialogues_mb(config_of(500), classes_of(20_000, 1841)) == 1300
    assert dialogues_mb(config, []) == 0


def test_interventions_request_memory_for_final_scores():
    """Of 5,000 seen classes: 40 images of each in the train split, one score a candidate, four times."""
    assert final_scores_mb(config_of(), classes_of(60, 10)) == 0
    assert final_scores_mb(config_of(), classes_of(5000, 0)) == 4 * 4 * 5000 * 40 * 5000 // 10**6


def test_a_random_subset_of_a_split_is_the_same_each_time():
    part = Part(Images(torch.arange(50.0)[:, None]), torch.arange(50) % 7, [f"k{number}" for number in range(50)])
    few = random_subset(part, 20)
    assert few.keys == random_subset(part, 20).keys
    assert len(set(few.keys)) == 20
    numbers = [int(key[1:]) for key in few.keys]
    assert numbers == sorted(numbers)
    assert numbers != list(range(20))
    assert few.images.features[:, 0].tolist() == numbers
    assert few.targets.tolist() == [number % 7 for number in numbers]
    assert random_subset(part, 50) is part
    assert random_subset(part, None) is part


def test_a_classifier_that_does_not_fit_is_refused_and_other_targets_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_budget, "free_memory", lambda: 1_024_000_000)
    require_memory_for_classifier(4000, 10_000)
    with pytest.raises(ParleyError, match=r"10,000 classes on 5,000 images needs 1.2 GB .* all summary language"):
        require_memory_for_classifier(5000, 10_000)
