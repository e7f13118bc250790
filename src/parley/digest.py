"""Digests of code: what a stage runs, so that an edit reruns it and a comment does not.

Snakemake tracks a script but not the modules that it imports. A stage's digest covers its script and,
transitively, the modules of this package that they import, and goes into the rule's params.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "parley"
ROOT = Path(__file__).parent


def stage_digest(script: str | Path) -> str:
    """Return a digest of a script and of every module of this package that it uses.

    Comments, docstrings and layout do not count.
    """
    return _digest([_meaning(Path(script)), *map(_module_meaning, modules_of(script))])


def package_digest(*modules: str) -> str:
    """Return a digest of the given modules and all that they import of this package."""
    found: set[str] = set()
    for module in modules:
        _collect(module, found)
    return _digest([_module_meaning(module) for module in sorted(found)])


def modules_of(script: str | Path) -> list[str]:
    """Return the modules of this package that a script uses, directly or not, sorted."""
    found: set[str] = set()
    for module in _imports(Path(script)):
        _collect(module, found)
    return sorted(found)


def _collect(module: str, found: set[str]) -> None:
    if module in found:
        return
    found.add(module)
    for imported in _imports(_file_of(module)):
        _collect(imported, found)


@cache
def _imports(path: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_imported_modules(_tree(path))))


def _imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        # A module's packages run too: importing parley.game.sender runs parley/game/__init__.py.
        for name in names:
            if name == PACKAGE or name.startswith(PACKAGE + "."):
                steps = name.split(".")
                parents = (".".join(steps[:length]) for length in range(1, len(steps) + 1))
                yield from (parent for parent in parents if _exists(parent))


def _exists(module: str) -> bool:
    return _file_of(module).exists()


def _file_of(module: str) -> Path:
    base = ROOT.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _meaning(path: Path) -> str:
    """Return what Python sees of a file: its syntax tree without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return ast.dump(tree)


def _module_meaning(module: str) -> str:
    """Return a module's name and meaning; a package's templates count as part of it."""
    path = _file_of(module)
    templates = sorted(path.parent.glob("templates/*")) if path.name == "__init__.py" else []
    texts = [template.read_text(encoding="utf-8") for template in templates if template.is_file()]
    return "\n".join([module, _meaning(path), *texts])


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
