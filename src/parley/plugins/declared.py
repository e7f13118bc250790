"""The parts that plug-in files register, read without running the files, and what is wrong with them."""

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import did_you_mean
from parley.plugins.kinds import EXAMPLES, KINDS
from parley.plugins.registry import Option
from parley.plugins.scopes import outer_references
from parley.plugins.signatures import problem_of
from parley.plugins.source import Definition, SourceFile, modules_imported_by
from parley.runtime.code_digest import Sources, statements_digest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_DECORATORS = {f"parley.plugins.{prefix}{kind}": kind for kind in KINDS for prefix in ("", "registry.")}


class Declared(NamedTuple):
    """A part that a plug-in file registers."""

    kind: str
    name: str
    file: str
    """Path of the file, as the config gives it."""
    line: int
    options: Mapping[str, Any]
    """The keyword arguments of its decorator: default values of its options, or what describes the part."""
    digest: str
    """Digest of everything that determines what the part does."""

    @property
    def label(self) -> str:
        """Name of the part with its kind, such as ``channel noisy``."""
        return f"{self.kind.replace('_', ' ')} {self.name}"


def read_plugins(
    paths: Iterable[str], own: Mapping[str, Collection[str]], sources: Sources
) -> tuple[list[Declared], list[str]]:
    """Return the parts that files register, and an error message for each problem.

    Parameters
    ----------
    paths
        Paths of the files.
    own
        Names of Parley's own parts, by kind.
    sources
        Cache of parsed source files of Parley.
    """
    parts: list[Declared] = []
    findings: list[str] = []
    first: dict[str, str] = {}
    for path in paths:
        if other := first.get(os.path.realpath(path)):
            findings.append(f"Config: plugins lists {other} twice{_also_as(path, other)}; remove one.")
            continue
        first[os.path.realpath(path)] = path
        found, problems = _read(path, sources)
        parts, findings = parts + found, findings + problems
    return parts, findings + list(_repeated(parts, own))


def _also_as(path: str, other: str) -> str:
    return "" if path == other else f", also as {path}"


def _read(path: str, sources: Sources) -> tuple[list[Declared], list[str]]:
    if problem := _unreadable(Path(path)):
        return [], [f"Config: plugins lists {path}, which {problem}."]
    try:
        file = SourceFile(path)
    except SyntaxError as error:
        return [], [f"{path}, line {error.lineno or 1}: this is not valid Python ({error.msg}); correct it."]
    except ValueError as error:  # Invalid UTF-8 or NUL bytes.
        return [], [f"{path} is not valid Python ({error}); save it as UTF-8 text."]
    findings = [f"{path}, line {line}: {problem}" for line, problem in [*_imports_beside(file), *_not_installed(file)]]
    decorated = dict(_decorated(file))
    parts = []
    for node, (kind, call) in decorated.items():
        where = f"{path}, line {call.lineno}"
        problems = [*_call_problems(kind, call, node.name)]
        name, options = _literals(call)
        if not problems:
            problems = [one for one in [problem_of(kind, name, file, node, options)] if one]
        if name:  # With problems too, so that what names the part is not a problem as well.
            parts.append(Declared(kind, name, path, call.lineno, options, _digest(file, node, sources)))
        findings += [f"{where}: {problem}" for problem in problems]
    findings += [f"{path}, line {line}: {problem}" for line, problem in _misplaced(file, decorated.values())]
    if not parts and not findings:
        findings.append(
            f'{path} registers nothing; put a decorator such as `@metric("my_metric")` above a function or class, '
            f"as {EXAMPLES} shows, or remove the file from `plugins`."
        )
    return parts, findings


def _unreadable(path: Path) -> str:
    if not path.is_file():
        return "is not a file; check the path"
    return "" if os.access(path, os.R_OK) else "cannot be read; check its permissions"


def _digest(file: SourceFile, node: Definition, sources: Sources) -> str:
    reached = file.reached_from(node)
    return statements_digest(reached, modules_imported_by(reached), sources)


def _decorated(file: SourceFile) -> Iterator[tuple[Definition, tuple[str, ast.Call]]]:
    """Yield the definitions at the top level that a decorator of `parley.plugins` registers."""
    for statement in file.statements:
        if not isinstance(statement, Definition):
            continue
        for decorator in statement.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
            if kind := _DECORATORS.get(file.dotted(call.func)):
                yield statement, (kind, ast.copy_location(call, decorator))


def _misplaced(file: SourceFile, found: Iterable[tuple[str, ast.Call]]) -> Iterator[tuple[int, str]]:
    """Yield the uses of a decorator that are not at the top level or not those of a decorator."""
    known = {id(call.func) for _, call in found}
    for node in (node for statement in file.statements for node in outer_references(statement)):
        if id(node) in known:
            continue
        if kind := _DECORATORS.get(file.dotted(node)):
            yield (
                node.lineno,
                f'`{kind}` must be a decorator, `@{kind}("name")`, above a function or class that is not inside '
                "another function, class or condition, because the file is read before it is run; move it.",
            )


def _call_problems(kind: str, call: ast.Call, defined: str) -> Iterator[str]:
    """Yield what is wrong with the arguments of a decorator."""
    written = f'@{kind}("{defined.lower()}")'
    given = [one.arg for one in call.keywords]
    if len(call.args) != 1 or "name" in given:
        yield f"`{kind}` takes the name of the part, and then only keyword arguments; write `{written}`."
        return
    [name] = call.args
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        yield f"the name is `{ast.unparse(name)}`, but it must be a text in quotes; write `{written}`."
    elif not _NAME.fullmatch(name.value):
        yield f"the name {name.value!r} may contain only letters without accents, digits, _ and -; rename the part."
    details = KINDS[kind].details
    for keyword in call.keywords:
        value = _literal(keyword.value)
        if keyword.arg is None or value is None:
            yield (
                f"`{ast.unparse(keyword)}` must be written as a number, true or false, or text in quotes, "
                "because the file is read before it is run."
            )
        elif details is not None and keyword.arg not in details:
            known = did_you_mean(keyword.arg, details, f"it takes {', '.join(details)}.")
            yield f"`{kind}` takes no argument {keyword.arg!r}; {known}"
        elif details is not None and type(value) is not details[keyword.arg]:
            yield f"{keyword.arg} is {value!r}, but it must be of type {details[keyword.arg].__name__}."


def _literal(node: ast.expr) -> Option | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, bool | int | float | str) else None


def _literals(call: ast.Call) -> tuple[str, dict[str, Option | None]]:
    """Return the name and the keyword arguments of a decorator: an empty name and None if they are not literals."""
    name = _literal(call.args[0]) if call.args else None
    return name if isinstance(name, str) else "", {one.arg: _literal(one.value) for one in call.keywords if one.arg}


def _not_installed(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Yield the imports at the top level of missing packages; those in conditions and `try` may be missing."""
    for node in file.statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _first_names(node):
                if not (_is_beside(file, name) or _is_installed(name)):
                    yield node.lineno, f"there is no package {name}; install it, or correct `{ast.unparse(node)}`."


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # Of modules without a specification, such as `__main__`.
        return name in sys.modules


def _first_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the first components of the modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module.partition(".")[0]] if node.module and not node.level else []
    return [one.name.partition(".")[0] for one in node.names]


def _is_beside(file: SourceFile, name: str) -> bool:
    path = file.path.parent / name
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imports_beside(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Yield imports of files in the same folder, whose changes would go unnoticed."""
    beside = "; a plug-in is one file, so that its changes are noticed: move into it what it needs."
    for node in (node for statement in file.statements for node in ast.walk(statement)):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, f"`{ast.unparse(node)}` imports another file of the folder{beside}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for name in _first_names(node):
                if _is_beside(file, name):
                    yield node.lineno, f"`{ast.unparse(node)}` imports {name}, a file in the same folder{beside}"


def _repeated(parts: Sequence[Declared], own: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield an error message for each name that another part of its kind has, in a plug-in or in Parley."""
    first: dict[tuple[str, str], Declared] = {}
    for part in parts:
        other = first.setdefault((part.kind, part.name), part)
        kind = part.kind.replace("_", " ")
        if part.name in own.get(part.kind, ()):
            yield f"{part.file}, line {part.line}: Parley has a {kind} {part.name!r} itself; choose another name."
        elif other is not part:
            yield (
                f"{part.file}, line {part.line}: the {kind} {part.name!r} is also registered in {other.file}, line "
                f"{other.line}; rename one."
            )
