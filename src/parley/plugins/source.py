"""Read a plug-in file without running it: its statements, the names that they use, and its classes and their bases."""

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from parley.runtime.code_digest import PACKAGE, file_of_module

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Method(NamedTuple):
    """A method of a class: its parameters after `self`, and whether subclasses must define it."""

    parameters: tuple[str, ...]
    needed: int
    """Number of parameters without a default value."""
    is_open: bool
    """Whether it takes any further arguments (``*args`` or ``**kwargs``)."""
    is_abstract: bool


class SourceFile:
    """The syntax tree of a file, with its top-level statements by the names that they bind.

    Parameters
    ----------
    path
        Path of the file. A `SyntaxError` or `UnicodeDecodeError` is raised if it is not Python.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # From bytes, `ast.parse` would accept comments that Python refuses because they are not UTF-8.
        parsed = ast.parse(importlib.util.decode_source(self.path.read_bytes()), filename=str(path)).body
        self.statements = [statement for statement in parsed if not _is_main(statement)]
        self.imported = dict(_imported(self.statements))
        """Name in the file → dotted name of the module, class or function that it stands for."""
        self.binding: dict[str, list[ast.stmt]] = {}
        """Name → the top-level statements that bind it or change what it stands for."""
        for statement in self.statements:
            for name in _bound_by(statement):
                self.binding.setdefault(name, []).append(statement)
        self.always = [one for one in self.statements if _counts_always(one)]
        """Statements that affect every part of the file, because they do something when it is loaded."""

    def dotted(self, node: ast.expr) -> str:
        """Return the dotted name of an expression such as ``channel`` or ``plugins.channel``; empty for others."""
        if isinstance(node, ast.Attribute):
            before = self.dotted(node.value)
            return f"{before}.{node.attr}" if before else ""
        return self.imported.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def reached_from(self, start: ast.stmt) -> list[ast.stmt]:
        """Return the statements on which a definition depends, itself included, in the order of the file."""
        found: dict[int, ast.stmt] = {}
        waiting = [start, *self.always]
        while waiting:
            statement = waiting.pop()
            if id(statement) not in found:
                found[id(statement)] = statement
                names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
                waiting += [other for name in names for other in self.binding.get(name, ())]
        return [statement for statement in self.statements if id(statement) in found]

    def class_named(self, name: str) -> ast.ClassDef | None:
        """Return the last class of this name at the top level of the file."""
        found = [one for one in self.binding.get(name, ()) if isinstance(one, ast.ClassDef)]
        return found[-1] if found else None


def modules_imported_by(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the dotted names that statements import, which may be modules."""
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                for alias in node.names:
                    yield f"{node.module}.{alias.name}"
                    yield from _exported(node.module).get(alias.name, ())


def bases_of(file: SourceFile, node: ast.ClassDef) -> Iterator[tuple[SourceFile, ast.ClassDef]]:
    """Yield the classes of Parley and of the file itself from which a class inherits, with their files."""
    for base in node.bases:
        found = _class_at(file, file.dotted(base))
        if found is not None and found[1] is not node:
            yield found
            yield from bases_of(*found)


def methods_of(file: SourceFile, node: ast.ClassDef) -> Mapping[str, Method]:
    """Return the methods of a class, inherited ones included, as far as Parley or the file itself defines them."""
    classes = [node, *(one for _, one in bases_of(file, node))]
    found: dict[str, Method] = {}
    for one in classes:
        found = {line.name: _method(line) for line in one.body if isinstance(line, ast.FunctionDef)} | found
    return found


def parameters_of(arguments: ast.arguments) -> tuple[tuple[str, ...], int]:
    """Return the names of a function's positional parameters, and how many of them must be given."""
    positional = [*arguments.posonlyargs, *arguments.args]
    return tuple(one.arg for one in positional), len(positional) - len(arguments.defaults)


def _method(node: ast.FunctionDef) -> Method:
    names = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
    own, needed = parameters_of(node.args)
    rest = node.args.vararg is not None or node.args.kwarg is not None
    first = 0 if "staticmethod" in names else 1
    return Method(own[first:], needed - first, rest, "abstractmethod" in names)


def resolved(name: str) -> tuple[SourceFile, ast.ClassDef]:
    """Return the file and the definition of one of Parley's classes, given its dotted name."""
    module, _, last = name.rpartition(".")
    file = _parsed(file_of_module(module))
    found = file.class_named(last)
    if found is None:
        raise LookupError(name)
    return file, found


def _class_at(file: SourceFile, name: str) -> tuple[SourceFile, ast.ClassDef] | None:
    if name and "." not in name:
        own = file.class_named(name)
        return None if own is None else (file, own)
    module, _, last = name.rpartition(".")
    if _first(module) != PACKAGE or not file_of_module(module).is_file():
        return None
    other = _parsed(file_of_module(module))
    if found := other.class_named(last):
        return other, found
    imported = [*([other.imported[last]] if last in other.imported else []), *_exported(module).get(last, ())]
    return _class_at(other, imported[0]) if imported else None


def _exported(module: str) -> Mapping[str, list[str]]:
    """Return the names that one of Parley's packages imports when they are used, and what they stand for."""
    stub = file_of_module(module).with_suffix(".pyi") if _first(module) == PACKAGE else Path()
    return {name: [dotted] for name, dotted in _parsed(stub).imported.items()} if stub.is_file() else {}


@cache
def _parsed(path: Path) -> SourceFile:
    return SourceFile(path)


def _imported(statements: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            # `import a.b` binds a; `import a.b as c` binds a.b.
            yield from ((one.asname, one.name) if one.asname else (_first(one.name),) * 2 for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)


def _bound_by(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds at the top level, or whose objects it changes by an assignment."""
    if isinstance(statement, Definition):
        return {statement.name}
    bound = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {one.asname or _first(one.name) for one in node.names}
        elif isinstance(node, Definition):
            bound.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            while isinstance(node, ast.Attribute | ast.Subscript):
                node = node.value
            if isinstance(node, ast.Name):
                bound.add(node.id)
    return bound


def _first(name: str) -> str:
    return name.partition(".")[0]


def _counts_always(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__" or any(one.name == "*" for one in statement.names)
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return not is_text and not isinstance(
        statement, Definition | ast.Import | ast.Assign | ast.AnnAssign | ast.AugAssign
    )


def _is_main(statement: ast.stmt) -> bool:
    """Return whether a statement runs only if the file is a program: ``if __name__ == "__main__"``."""
    return isinstance(statement, ast.If) and "__name__" in {
        node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)
    }
