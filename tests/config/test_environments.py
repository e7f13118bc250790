"""The conda environments hold the versions that pyproject.toml pins."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def dependencies():
    """What is always installed, and what is for an option of the config."""
    return [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["tensorboard"]]


def pins():
    named = (re.fullmatch(r"([a-z0-9-]+)(?:\[[a-z]+\])?==(\S+)", line) for line in dependencies())
    return {match[1]: match[2] for match in named}


def test_every_dependency_is_pinned():
    assert len(pins()) == len(dependencies())


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_versions_are_the_pins(path):
    (wheels,) = (entry["pip"] for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, dict))
    for wheel in wheels:
        name, version = wheel.split("==")
        assert pins()[name] == version


def test_every_environment_that_a_rule_names_exists_and_is_used():
    named = set()
    for rules in (ROOT / "workflow/rules").glob("*.smk"):
        named |= set(re.findall(r'"\.\./\.\./envs/(\w+)\.yaml"', rules.read_text()))
    assert named == {path.stem for path in ENVIRONMENTS}


def test_no_file_of_the_project_names_a_package_registry():
    hosts = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "deb" + r"\.debian"]))
    for path in [*ROOT.glob("*.toml"), *ROOT.glob("envs/*"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]:
        assert not hosts.search(path.read_text()), path
