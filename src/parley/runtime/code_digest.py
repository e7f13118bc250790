"""Digests of each stage's code, so that a change of the code reruns the stage, and a change of a comment does not.

Snakemake tracks a script but not the modules that it imports. A stage's digest covers its script and all modules of
this package that the script imports, directly or indirectly. The digest is one of the rule's params.
"""

import ast
import copy
import hashlib
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import read_json, write_json

PACKAGE = "parley"
ROOT = Path(__file__).parents[1]
SOURCES = ".snakemake/parley/sources.json"
"""File that caches parsed source files, relative to the folder in which Snakemake runs."""
BOOK = ".snakemake/parley/code.json"
"""File that stores the module digests behind each stage digest, relative to the folder in which Snakemake runs."""
MOST_DIGESTS = 600
"""Maximum number of stage digests in `BOOK`; the least recently used are dropped first."""


class Source(NamedTuple):
    """Properties of a source file that affect digests."""

    imports: list[str]
    """Names in import statements that may refer to modules, of this package or another."""
    meaning: str
    """Digest of the syntax tree without docstrings, comments and layout."""


class Sources:
    """Parsed source files. Each file is parsed once and then cached under a hash of its content.

    Parameters
    ----------
    memory
        File that stores the cache between processes; None for no file. Without the file, every call of Snakemake
        parses the whole package, which takes most of a second.
    """

    def __init__(self, memory: str | Path | None = None) -> None:
        self._memory = Path(memory) if memory is not None else None
        self._known: dict[str, Source] = {}
        if self._memory is not None and self._memory.exists():
            self._known = {key: Source(*value) for key, value in read_json(self._memory).items()}
        self._saved = set(self._known)
        self._used: dict[str, Source] = {}

    def read(self, path: Path) -> Source:
        """Return the parsed source of a file."""
        content = path.read_bytes()
        # Syntax trees differ between versions of Python.
        key = hashlib.sha256(platform.python_version().encode() + content).hexdigest()
        if key not in self._known:
            self._known[key] = _parsed(content, path)
        self._used[key] = self._known[key]
        return self._known[key]

    def save(self) -> None:
        """Replace the cache file's content by the sources that this process has read, unless both are the same."""
        if self._memory is not None and set(self._used) != self._saved:
            write_json(self._memory, self._used)


def stage_digest(script: str | Path, sources: Sources) -> str:
    """Return a digest of a script and of every module of this package that it imports, directly or indirectly.

    Comments, docstrings and layout do not affect it.
    """
    used = [_module_meaning(module, sources) for module in modules_of(script, sources)]
    return _digest([sources.read(Path(script)).meaning, *used])


def stage_parts(script: str | Path, sources: Sources) -> dict[str, str]:
    """Return a short digest of each file that `stage_digest` covers, keyed by module or script name."""
    parts = {Path(script).name: sources.read(Path(script)).meaning[:8]}
    return parts | {module: _digest([_module_meaning(module, sources)])[:8] for module in modules_of(script, sources)}


def save_parts(path: str | Path, stages: Mapping[str, Mapping[str, str]]) -> None:
    """Add the digests of stages' modules to a file, so that `parley status` can name the modules that changed.

    Snakemake itself stores only the stage digest, as one of the params of each job.

    Parameters
    ----------
    path
        Path of the JSON file, normally `BOOK`.
    stages
        Result of `stage_parts` for each stage digest.
    """
    known = read_parts(path)
    kept = {digest: parts for digest, parts in known.items() if digest not in stages}
    kept |= {digest: dict(parts) for digest, parts in stages.items()}
    book = dict(list(kept.items())[-MOST_DIGESTS:])
    if list(book) != list(known):
        write_json(path, book)


def read_parts(path: str | Path) -> dict[str, dict[str, str]]:
    """Read a file written by `save_parts`; return an empty dict if it is missing or unreadable."""
    try:
        return dict(read_json(path)) if Path(path).exists() else {}
    except (ParleyError, OSError):
        return {}


def changed_parts(old: Mapping[str, str] | None, new: Mapping[str, str]) -> list[str]:
    """Return the modules and scripts that were changed, added or removed; an empty list if `old` is None."""
    if old is None:
        return []
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def package_digest(module: str) -> str:
    """Return a digest of a module and of every module of this package that it imports, directly or indirectly."""
    sources = Sources()
    return _digest([_module_meaning(name, sources) for name in _with_imports([module], sources)])


def statements_digest(statements: Iterable[ast.stmt], imports: Iterable[str], sources: Sources) -> str:
    """Return a digest of statements and of the modules of this package among their imports, with theirs.

    Comments, docstrings and layout do not affect it.
    """
    tree = ast.Module([copy.deepcopy(one) for one in statements], [])
    modules = _with_imports(_of_package(list(imports)), sources)
    return _digest([_meaning(tree), *(_module_meaning(name, sources) for name in modules)])


def combined(code: str, parts: Mapping[str, str]) -> str:
    """Return the digest of a stage that uses parts of plug-ins: `code` itself if there are none.

    Parameters
    ----------
    code
        Result of `stage_digest`.
    parts
        Digest of each part.
    """
    return _digest([code, *(f"{name} {digest}" for name, digest in sorted(parts.items()))]) if parts else code


def modules_of(script: str | Path, sources: Sources) -> list[str]:
    """Return the modules of this package that a script imports, directly or indirectly, sorted."""
    return _with_imports(_of_package(sources.read(Path(script)).imports), sources)


def _with_imports(modules: Iterable[str], sources: Sources) -> list[str]:
    """Return the given modules and the modules of this package that they import, directly or indirectly, sorted."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        if (module := waiting.pop()) not in found:
            found.add(module)
            waiting += _of_package(sources.read(file_of_module(module)).imports)
    return sorted(found)


def _of_package(names: list[str]) -> Iterator[str]:
    """Yield those modules in `names` that belong to this package, and their parent packages."""
    for name in names:
        yield from _modules_in(name, ROOT)


@cache
def _modules_in(name: str, _root: Path) -> list[str]:
    """Return the modules of this package among a dotted name and its parents, which may be packages."""
    steps = name.split(".")
    if steps[0] != PACKAGE:
        return []
    # Importing parley.game.sender runs parley/game/__init__.py too.
    above = [".".join(steps[:length]) for length in range(1, len(steps) + 1)]
    return [module for module in above if file_of_module(module).exists()]


def file_of_module(module: str) -> Path:
    """Return the path of the file of one of this package's modules, which need not exist."""
    base = ROOT.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _parsed(content: bytes, path: Path) -> Source:
    tree = ast.parse(content, filename=str(path))
    imports = list(dict.fromkeys(_imported_names(tree)))
    return Source(imports, _digest([_meaning(tree)]))


def _meaning(tree: ast.Module) -> str:
    """Return a text of a syntax tree, from which docstrings are removed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return ast.dump(tree)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # The name after `import` may be a module.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_meaning(module: str, sources: Sources) -> str:
    """Return a module's name, the digest of its syntax tree and, for a package, the text of its templates."""
    path = file_of_module(module)
    templates = sorted(path.parent.glob("templates/*")) if path.name == "__init__.py" else []
    texts = [template.read_text(encoding="utf-8") for template in templates if template.is_file()]
    return "\n".join([module, sources.read(path).meaning, *texts])


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
