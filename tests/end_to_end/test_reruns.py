"""Reruns do what is needed and nothing else: a tiny experiment, then one edit after another."""

import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow

# What runs anew when a module changes, apart from what follows from it by its outputs.
USERS = {
    "src/parley/dataset/dedup/finalise.py": {"settle"},
    "src/parley/text/glosses.py": {"build_descriptions"},
    "src/parley/text/embed_words.py": {"embed_words"},
    "src/parley/features/gather.py": {"gather_features"},
    "src/parley/features/extract.py": {"extract_features_0000"},
    "src/parley/game/losses.py": {"train_run"},
    "src/parley/training/checkpoint_selection.py": {"select_checkpoint"},
    "src/parley/evaluation/messages.py": {"extract_messages"},
    "src/parley/evaluation/evaluate.py": {"evaluate_run", "extract_messages"},
    "src/parley/report/figures/curves.py": {"draw_run_figures"},
    "src/parley/report/figures/overview.py": {"draw_figures"},
    "src/parley/report/page/build.py": {"build_report"},
    "src/parley/report/browser/build.py": {"build_browser"},
}


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def tiny(project):
    return project.folder / "tiny.yaml"


def test_running_again_does_nothing(project, tiny):
    out = project.snakemake("--cores", "2", config=tiny)
    assert "Nothing to be done" in out


def test_a_comment_in_any_script_or_module_reruns_nothing(project, tiny):
    for path in [*(project.folder / "workflow/scripts").glob("*.py"), *(project.folder / "src").rglob("*.py")]:
        path.write_text(path.read_text() + "\n# a remark\n")
    assert project.planned(tiny) == set()


@pytest.mark.parametrize("module", USERS)
def test_an_edit_reruns_exactly_the_stages_that_use_the_module(project, tiny, module):
    path = project.folder / module
    before = path.read_text()
    path.write_text(before + "\nADDED = 1\n")
    try:
        assert project.changed(tiny) == USERS[module]
    finally:
        path.write_text(before)


def test_edit_reruns_job_behind_an_ancient_input(project, tiny):
    path = project.folder / "src/parley/features/extract.py"
    before = path.read_text()
    path.write_text(before + "\nADDED = 1\n")
    try:
        planned = project.planned(tiny, "--forcerun", "select_classes")
    finally:
        path.write_text(before)
    # The plan is an ancient input of the fetch.
    assert {"select_classes", "split", "extract_features_0000"} <= planned
    assert not any(rule.startswith("fetch_images") for rule in planned)


def test_touch_accepts_old_outputs(project, tiny):
    path = project.folder / "src/parley/game/losses.py"
    before = path.read_text()
    path.write_text(before + "\nADDED = 1\n")
    project.snakemake("--touch", "--cores", "1", config=tiny)
    assert project.planned(tiny) == set()
    path.write_text(before)
    project.snakemake("--touch", "--cores", "1", config=tiny)
    assert project.planned(tiny) == set()


def test_deleted_tar_is_restored_without_reruns(project, tiny):
    (pool,) = (project.folder / "resources/images").glob("tiny-*")
    tars = sorted(pool.glob("*.tar"))
    before = [path.read_bytes() for path in tars]
    tars[0].unlink()
    project.snakemake("--cores", "2", "images", config=tiny)
    assert [path.read_bytes() for path in tars] == before
    assert project.planned(tiny) == set()


def test_content_neutral_settings_rerun_nothing(project, tiny):
    text = tiny.read_text()
    changed = text.replace("margin: 0", "margin: 0\n  threads: 3\n  attempts: 9\n  classes_per_job: 4")
    changed = changed.replace("training:", "training:\n  cuda_graphs: false\n  wandb: a project\n  mlflow: local")
    assert "cuda_graphs" in changed
    tiny.write_text(changed)
    # The merged config itself is remade, the page that shows it, and what tells where both come from.
    assert project.planned(tiny) <= {"write_config", "build_report", "write_provenance", "all"}
    tiny.write_text(text)


def test_added_seed_trains_only_itself(project, tiny):
    text = tiny.read_text()
    tiny.write_text(text.replace("seeds:\n- 1\n- 2", "seeds:\n- 1\n- 2\n- 3"))
    out = project.snakemake("--quiet", "host", "-n", config=tiny)
    tiny.write_text(text)
    counts = dict(line.split() for line in out.split("Job stats:")[-1].splitlines() if len(line.split()) == 2)
    assert counts["train_run"] == "1"
    assert "extract_features_0000" not in counts
    assert "gather_features" not in counts


def test_a_target_makes_everything_up_to_its_stage_and_nothing_after(project, tiny):
    fresh = project.write_config("fresh", **{**TINY, "seeds": [1]})
    up_to_splits = project.planned(fresh, "splits")
    assert "settle" in up_to_splits
    assert not up_to_splits & {"train_run", "extract_features_0000", "embed_words"}
    assert "train_run" not in project.planned(fresh, "words")
