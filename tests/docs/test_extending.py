"""docs/development/extending.md: what it adds is applied to a copy of the project, and works there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import yaml
from tiny_runs import TINY, write_classes
from whole_lines import preloaded_snakemake

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/development/extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```(python|diff) title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
MOST_LINES = 40
NAMES = ("Snakefile", "config.yaml", "config", "profiles", "workflow", "envs", "src", "docs", "tests", "pyproject.toml")
TESTS_OF_WHAT_CHANGES = (
    "tests/test_layout.py",
    "tests/cli/test_config_docs.py",
    "tests/config/test_schema.py",
    "tests/features/test_weights.py",
    "tests/training/test_optimizer.py",
)


def blocks(section=""):
    """Kind, path and text of each block, of a section or of all."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ")[0] if section else PAGE
    return BLOCK.findall(text)


def changed(text, diff):
    """A file's text after a change; the lines that are there already must stand in one place alone."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(before) == 1, f"stands {text.count(before)} times:\n{before}"
    return text.replace(before, after)


def extend(folder):
    """Do to a copy of the project what the page says."""
    for kind, name, text in blocks():
        path = folder / name
        if kind == "diff":
            text = changed(path.read_text(encoding="utf-8"), text)
        else:
            assert not path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extended")
    for name in NAMES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    if (ROOT / ".mypy_cache").is_dir():  # Then mypy checks only what changes.
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    extend(folder)
    return folder


def called(folder, *command, by=(sys.executable, "-m")):
    done = subprocess.run(
        [*by, *command],
        cwd=folder, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder / "src"), "HOME": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("section", ["A training option", "A backbone"])
def test_each_takes_few_lines(section):
    found = blocks(section)
    assert found
    files = [text for kind, path, text in found if kind != "diff" and not path.startswith("tests/")]
    diffs = [text for kind, path, text in found if kind == "diff" and not path.startswith("docs/")]
    added = [line for text in diffs for line in text.splitlines() if line[0] == "+"]
    assert 0 < sum(text.count("\n") for text in files) + len(added) <= MOST_LINES


def test_context_lines_must_occur_exactly_once():
    assert changed("a\nb\n", " a\n+c\n") == "a\nc\nb\n"
    for text in ("a\na\n", "b\n"):
        with pytest.raises(AssertionError):
            changed(text, " a\n+c\n")


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is in the extra lint")
def test_its_code_is_written_like_the_rest(extended):
    paths = sorted({path for _, path, _ in blocks() if path.endswith(".py")})
    for command in (("ruff", "check"), ("ruff", "format", "--check")):
        called(extended, *command, *paths)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mypy") is None, reason="mypy is in the extra lint")
def test_its_types_are_right(extended):
    called(extended, "mypy")


@pytest.mark.slow
def test_tests_of_the_added_and_changed_files_pass(extended):
    called(extended, "parley.cli.main", "config-docs")
    own = {path for _, path, _ in blocks() if path.startswith("tests")}
    called(extended, "pytest", "-q", "-p", "no:cacheprovider", *sorted(own), *TESTS_OF_WHAT_CHANGES)


@pytest.mark.slow
def test_an_experiment_has_them(extended):
    write_classes(extended)
    (settings,) = re.findall(r"^```yaml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    features = {**yaml.safe_load(settings)["features"], "layers": ["pooled"]}
    runs = [{"name": "decayed", "training": {"weight_decay": 0.001}}]
    config = {**TINY, "experiment": "extended", "features": features, "seeds": [1], "runs": runs}
    (extended / "extended.yaml").write_text(yaml.safe_dump(config))
    called(extended, "--cores", "2", "train", "--configfile", "extended.yaml", by=preloaded_snakemake())
    results = extended / "results/extended"
    with h5py.File(results / "train.hdf5") as file:
        assert file.attrs["backbone"] == "small"
        assert file[file.attrs["pooled"]].shape == (24, 1, 64)
    trained = json.loads((results / "runs/decayed/1/config.json").read_text())
    assert trained["training"]["weight_decay"] == 0.001
