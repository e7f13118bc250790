"""Paths of runs and seeds."""

import pytest

from parley.config.paths import SEED_WILDCARD, Paths, RunPaths, seed_groups, seeds_label


@pytest.fixture
def paths():
    return RunPaths(Paths("e", "", "", "", "", ("train", "test", "ood")), ["a", "b"], [1, 2])


def test_files_of_runs_go_run_by_run_and_seed_by_seed(paths):
    assert paths.of_runs("best.pt") == [f"results/e/runs/{run}/{seed}/best.pt" for run in "ab" for seed in (1, 2)]
    assert paths.of_runs("best.pt", ["b"]) == ["results/e/runs/b/1/best.pt", "results/e/runs/b/2/best.pt"]
    assert paths.of_seeds("best.pt", [2]) == ["results/e/runs/{run}/2/best.pt"]


def test_unseen_classes_are_evaluated_among_all_and_alone(paths):
    assert paths.eval_set_names() == ["train", "test", "ood", "ood_alone"]
    folder = "results/e/runs/{run}/{seed}"
    assert paths.messages() == [
        f"{folder}/messages.train.hdf5",
        f"{folder}/messages.hdf5",
        f"{folder}/messages.ood.hdf5",
        f"{folder}/messages.ood_alone.hdf5",
    ]
    assert paths.held_out_messages() == paths.messages()[1:]


def test_the_files_of_seeds_that_share_a_job_go_set_by_set(paths):
    folder = "results/e/runs/{run}"
    assert paths.messages(["1", "2"])[:3] == [
        f"{folder}/1/messages.train.hdf5",
        f"{folder}/2/messages.train.hdf5",
        f"{folder}/1/messages.hdf5",
    ]
    assert paths.held_out_messages(["1", "2"]) == paths.messages(["1", "2"])[2:]
    assert paths.attention(["2"])[-1] == f"{folder}/2/attention.ood_alone.hdf5"


def test_the_files_of_all_runs_go_set_by_set(paths):
    files = paths.all_messages()
    assert files[:5] == [
        *(f"results/e/runs/{run}/{seed}/messages.train.hdf5" for run in "ab" for seed in (1, 2)),
        "results/e/runs/a/1/messages.hdf5",
    ]
    assert len(files) == 4 * 2 * 2
    assert paths.all_attention([]) == []


def test_dialogues_that_a_claim_is_about(paths):
    assert paths.messages_about([("b", "test"), ("a", "ood")]) == [
        "results/e/runs/b/1/messages.hdf5",
        "results/e/runs/b/2/messages.hdf5",
        "results/e/runs/a/1/messages.ood.hdf5",
        "results/e/runs/a/2/messages.ood.hdf5",
    ]


def test_splits_by_use(paths):
    assert paths.paths.seen_parts == ["train", "test"]
    assert paths.paths.held_out_parts == ["test", "ood"]
    assert paths.paths.intervened_parts == ["test", "ood"]
    assert paths.paths.split_files(["ood"]) == ["results/e/ood.hdf5"]


@pytest.mark.parametrize(
    ("per_job", "groups"),
    [(1, {"": ["{seed}"]}), (2, {"_1": ["1", "2"], "_3": ["3"]}), (9, {"_1": ["1", "2", "3"]})],
)
def test_groups_of_seeds(per_job, groups):
    assert seed_groups([1, 2, 3], per_job) == groups


def test_a_group_of_one_seed_is_the_wildcard():
    assert seed_groups([7], 4) == {"": SEED_WILDCARD}


def test_a_group_of_seeds_has_a_label():
    assert [seeds_label(group) for group in (SEED_WILDCARD, ["1", "2"])] == ["seed {wildcards.seed}", "seed 1, 2"]
