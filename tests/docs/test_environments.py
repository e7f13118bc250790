"""The conda environments hold the versions that pyproject.toml pins."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def pins():
    """The versions of what is always installed, and of what is for an option of the config."""
    named = (line.split("==") for line in PROJECT["tool"]["uv"]["constraint-dependencies"])
    return dict(named)


def test_constraints_match_pyproject_and_every_dependency_is_pinned(program):
    check_pins = program(".ci/check_pins.py")
    assert check_pins.pin_errors() == []
    assert set(pins().items()) <= {tuple(line.split("==")) for line in check_pins.constraints().splitlines()[1:]}


def test_a_missing_pin_and_outdated_constraints_are_reported(program, monkeypatch):
    check_pins = program(".ci/check_pins.py")
    monkeypatch.setattr(
        check_pins, "CONSTRAINT_LINES", [line for line in check_pins.CONSTRAINT_LINES if "numpy" not in line]
    )
    assert check_pins.pin_errors() == [
        "pyproject.toml does not pin numpy in constraint-dependencies.",
        "constraints.txt is out of date; run `python .ci/check_pins.py --write`.",
    ]


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
