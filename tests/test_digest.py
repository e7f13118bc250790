"""A stage's digest changes with what it runs, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from parley import digest

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow/scripts"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the sources to edit, and a function that digests a script against it."""
    copy = tmp_path / "parley"
    shutil.copytree(digest.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    scripts = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, scripts)
    monkeypatch.setattr(digest, "ROOT", copy)

    def take(script):
        sources = digest.Sources(tmp_path / "sources.json")
        found = digest.stage_digest(scripts / f"{script}.py", sources)
        sources.remember()
        assert found == digest.stage_digest(scripts / f"{script}.py", digest.Sources()), "the memory lies"
        return found

    return copy, scripts, take


def edit(path, text):
    path.write_text(path.read_text() + text)


def test_a_comment_or_a_docstring_changes_nothing(package):
    copy, scripts, take = package
    before = take("train_run")
    edit(scripts / "train_run.py", "\n# a remark\n")
    edit(copy / "training.py", "\n# another\n")
    objective = copy / "game/objective.py"
    objective.write_text(objective.read_text().replace('"""Return the losses of one batch.', '"""Say the losses.'))
    assert take("train_run") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "changed", "unchanged"),
    [
        ("game/objective.py", ["train_run"], ["evaluate_run", "split", "extract_features", "select_checkpoint"]),
        ("game/conversation.py", ["train_run", "evaluate_run", "extract_messages"], ["split", "build_descriptions"]),
        ("splits.py", ["split", "settle"], ["train_run", "extract_features", "embed_words"]),
        ("wordnet.py", ["build_descriptions"], ["embed_words", "train_run", "settle"]),
        ("world/drawing.py", ["draw_world"], ["train_run", "settle"]),
    ],
)
def test_an_edit_reaches_exactly_the_stages_that_use_the_module(package, module, changed, unchanged):
    copy, _, take = package
    before = {script: take(script) for script in [*changed, *unchanged]}
    edit(copy / module, "\nADDED = 1\n")
    for script in changed:
        assert take(script) != before[script], script
    for script in unchanged:
        assert take(script) == before[script], script


def test_an_edit_of_the_script_itself_counts(package):
    _, scripts, take = package
    before = take("split")
    edit(scripts / "split.py", "\nADDED = 1\n")
    assert take("split") != before


@pytest.mark.slow
@pytest.mark.parametrize(("name", "script"), [("report", "build_report"), ("browser", "build_browser")])
def test_a_template_of_a_package_counts(package, name, script):
    copy, _, take = package
    for template in sorted((copy / name / "templates").iterdir()):
        before = take(script)
        edit(template, "<!-- more -->")
        assert take(script) != before, template
