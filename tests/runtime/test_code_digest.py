"""A stage's digest changes with what it runs, and with nothing else."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fork_server import preloaded_python

from parley.runtime import code_digest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow/scripts"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the sources to edit, and a function that digests a script against it."""
    copy = tmp_path / "parley"
    shutil.copytree(code_digest.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    scripts = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, scripts)
    monkeypatch.setattr(code_digest, "ROOT", copy)

    def take(script):
        sources = code_digest.Sources(tmp_path / "sources.json")
        found = code_digest.stage_digest(scripts / f"{script}.py", sources)
        sources.save()
        assert found == code_digest.stage_digest(scripts / f"{script}.py", code_digest.Sources()), "the cache is stale"
        return found

    return copy, scripts, take


def edit(path, text):
    path.write_text(path.read_text() + text)


def test_a_comment_or_a_docstring_changes_nothing(package):
    copy, scripts, take = package
    before = take("train_run")
    edit(scripts / "train_run.py", "\n# a remark\n")
    edit(copy / "training/loop.py", "\n# another\n")
    objective = copy / "game/losses.py"
    objective.write_text(objective.read_text().replace('"""Return the losses of one batch.', '"""Say the losses.'))
    assert take("train_run") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "changed", "unchanged"),
    [
        ("game/losses.py", ["train_run"], ["evaluate_run", "split", "extract_features", "select_checkpoint"]),
        ("game/rollout.py", ["train_run", "evaluate_run", "extract_messages"], ["split", "build_descriptions"]),
        ("dataset/split_plan.py", ["split", "settle"], ["train_run", "extract_features", "embed_words"]),
        ("text/glosses.py", ["build_descriptions"], ["embed_words", "train_run", "settle"]),
        ("synthetic/drawing.py", ["draw_world"], ["train_run", "settle"]),
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
@pytest.mark.parametrize(("name", "script"), [("report/page", "build_report"), ("report/browser", "build_browser")])
def test_a_template_of_a_package_counts(package, name, script):
    copy, _, take = package
    for template in sorted((copy / name / "templates").iterdir()):
        before = take(script)
        edit(template, "<!-- more -->")
        assert take(script) != before, template


IMPORTS_OF_A_SCRIPT = """
import ast, sys
from pathlib import Path
sys.path.insert(0, {source!r})
tree = ast.parse(Path(sys.argv[1]).read_text())
tree.body = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))
             and "stage" not in ast.dump(node)]
exec(compile(tree, sys.argv[1], "exec"))
print(*(name for name in sys.modules if name.split(".")[0] == "parley"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", [*sorted(SCRIPTS.glob("[!s]*.py")), SCRIPTS / "settle.py"], ids=lambda path: path.stem)
def test_a_digest_covers_every_module_that_the_script_loads(tmp_path, path):
    """Python itself says which: a digest that lost its way through the package would cover fewer, without an error."""
    program = tmp_path / "imports.py"
    program.write_text(IMPORTS_OF_A_SCRIPT.format(source=str(ROOT / "src")))
    done = subprocess.run(
        [preloaded_python(), program, path], cwd=SCRIPTS, text=True, capture_output=True, check=True, timeout=120
    )
    loaded = set(done.stdout.split())
    assert loaded - {"parley"}, "the script loads nothing of the package"
    assert loaded <= set(code_digest.modules_of(path, code_digest.Sources()))


def test_training_and_its_command_cover_the_game_and_the_loop():
    found = set(code_digest.modules_of(SCRIPTS / "train_run.py", code_digest.Sources()))
    assert {"parley.training.loop", "parley.training.trainer", "parley.game.losses", "parley.game.rollout"} <= found
    of_command = re.search(r'package_digest\("(.+)"\)', (ROOT / "src/parley/cli/checkpoints.py").read_text())[1]
    assert of_command == "parley.training.loop"


def test_changed_modules_are_named(tmp_path):
    book = tmp_path / "deep/code.json"
    code_digest.save_parts(book, {"old": {"parley.a": "1", "parley.b": "1", "parley.c": "1"}})
    code_digest.save_parts(book, {"new": {"parley.a": "1"}})
    now = {"parley.a": "1", "parley.b": "2", "parley.d": "1"}
    read = code_digest.read_parts(book)
    assert code_digest.changed_parts(read["old"], now) == ["parley.b", "parley.c", "parley.d"]
    assert code_digest.changed_parts(read.get("unknown"), now) == []


def test_least_recently_used_digests_are_dropped_first(tmp_path, monkeypatch):
    monkeypatch.setattr(code_digest, "MOST_DIGESTS", 3)
    book = tmp_path / "code.json"
    for digest in ("a", "b", "c", "a", "d"):
        code_digest.save_parts(book, {digest: {"x": digest}})
    assert list(code_digest.read_parts(book)) == ["c", "a", "d"]


def test_an_unreadable_book_is_read_as_empty(tmp_path):
    (tmp_path / "code.json").write_text("{")
    assert code_digest.read_parts(tmp_path / "code.json") == {}
