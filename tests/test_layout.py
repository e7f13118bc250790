"""The layout of the library: no flat modules, no circles, and imports that point one way."""

import ast
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src/parley"

# Each package imports only from those that stand after it, and from itself.
ORDER = [
    "report.browser",
    "report.page",
    "cli",
    "report.figures",
    "analysis",
    "evaluation",
    "status",
    "config",
    "export",
    "training",
    "interaction",
    "metrics",
    "features",
    "text",
    "dataset",
    "provenance",
    "game",
    "synthetic",
    "plugins",
    "runtime",
    "core",
]


def package_of(module):
    """The package of `ORDER` that a module of Parley belongs to; None for the package parley itself."""
    steps = module.split(".")[1:]
    return next((name for name in (".".join(steps[:2]), *steps[:1]) if name in ORDER), None)


def imported_by(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_module_is_in_a_package():
    assert [path.name for path in SOURCES.glob("*.py")] == ["__init__.py"]


def test_every_package_has_a_place_in_the_order():
    folders = {path.parent.relative_to(SOURCES) for path in SOURCES.rglob("*.py") if path.parent != SOURCES}
    assert {package_of(".".join(("parley", *folder.parts))) for folder in folders if str(folder) != "report"} == set(
        ORDER
    )


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_one_way(package):
    above = set(ORDER[: ORDER.index(package)])
    upward = [
        f"{path.relative_to(SOURCES)} imports {name}"
        for path in sorted((SOURCES / package.replace(".", "/")).rglob("*.py"))
        for name in imported_by(path)
        if name.startswith("parley.") and package_of(name) in above
    ]
    assert upward == []
