"""Check that parts have the parameters, base classes and methods that Parley expects, without running their files."""

import ast
from collections.abc import Collection, Iterator, Sequence

from parley.plugins.attributes import attribute_problems
from parley.plugins.kinds import EXAMPLES, KINDS
from parley.plugins.source import Definition, Method, SourceFile, bases_of, methods_of, parameters_of, resolved


def problem_of(kind: str, name: str, file: SourceFile, node: Definition, options: Collection[str] = ()) -> str:
    """Return what is wrong with the definition of a part, with what is expected; empty if nothing is.

    `options` are the names of its options, which a function gets as keyword arguments.
    """
    base = KINDS[kind].base
    if not base:
        return _function_problem(kind, name, node, options if KINDS[kind].details is None else ())
    what = f"the {_words(kind)} {name!r}"
    if problems := list(_class_problems(base, file, node)):
        module, _, short = base.rpartition(".")
        return (
            f"{what} {'; it '.join(problems)}. Expected: `class {node.name}({short})`, with "
            f"`from {module} import {short}`, and {_listed_methods(base)}; {EXAMPLES} has an example."
        )
    assert isinstance(node, ast.ClassDef)
    if problems := [*_method_problems(base, file, node), *attribute_problems(base, file, node)]:
        return f"{what} {'; it '.join(problems)}; {EXAMPLES} has an example."
    return ""


def _function_problem(kind: str, name: str, node: Definition, options: Collection[str]) -> str:
    forms = KINDS[kind].parameters
    expected = " or ".join(f"`def {node.name}({', '.join((*form, *options))})`" for form in forms)
    if not isinstance(node, ast.FunctionDef):
        what = "a class" if isinstance(node, ast.ClassDef) else "an async function"
        return f"the {_words(kind)} {name!r} is {what}. Expected: a function, {expected}; {EXAMPLES} has an example."
    # If there are several forms, the names of the parameters select one.
    names, _ = parameters_of(node.args)
    selected = forms if len(forms) == 1 else [form for form in forms if names[: len(form)] == form]
    if any(_takes(node.args, form, set(options)) for form in selected):
        return ""
    return (
        f"the {_words(kind)} {name!r} has the parameters ({ast.unparse(node.args)}). Expected: {expected}; "
        f"{EXAMPLES} has an example."
    )


def _takes(arguments: ast.arguments, form: tuple[str, ...], options: set[str]) -> bool:
    """Return whether a function can be called with parameters in the order of a form, and options by their names."""
    names, needed = parameters_of(arguments)
    by_name = {
        one.arg: default is None for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    }
    required = {*names[len(form) : needed], *(name for name, has_no_default in by_name.items() if has_no_default)}
    accepts = arguments.kwarg is not None or options <= {*names[len(form) :], *by_name}
    in_order = _in_order(names, form, options)
    return in_order and required <= options and accepts


def _in_order(names: Sequence[str], form: Sequence[str], others: Collection[str] = ()) -> bool:
    """Return whether parameters can be those of a form, which are given by position, whatever their names.

    A name of the form at another position is a mistake, and so is one of `others`, which are given by name.
    """
    given = names[: len(form)]
    return len(given) == len(form) and all(
        name == wanted or name not in {*form, *others} for name, wanted in zip(given, form, strict=True)
    )


def _class_problems(base: str, file: SourceFile, node: Definition) -> Iterator[str]:
    """Yield what is wrong with a class, as ends of a sentence."""
    if not isinstance(node, ast.ClassDef):
        yield "is a function"
        return
    of_parley = resolved(base)
    if of_parley not in bases_of(file, node):
        yield f"is not a subclass of {base.rpartition('.')[2]}"
        return
    for method, found in methods_of(file, node).items():
        if found.is_abstract:
            yield f"lacks the method `{method}`"


def _method_problems(base: str, file: SourceFile, node: ast.ClassDef) -> Iterator[str]:
    """Yield the methods of a class whose parameters are wrong, with the right ones, as ends of a sentence."""
    wanted = methods_of(*resolved(base))
    for method, found in methods_of(file, node).items():
        if method in wanted and not _fits(found, wanted[method]):
            yield f"has the method `{_written(method, found)}`. Expected: `{_written(method, wanted[method])}`"


def _fits(found: Method, wanted: Method) -> bool:
    """Return whether a method can be called as the base class's method is."""
    if found.is_open:
        return True
    return _in_order(found.parameters, wanted.parameters) and found.needed <= len(wanted.parameters)


def _listed_methods(base: str) -> str:
    """Return the methods of a base class that a subclass must define or may override, with their parameters."""
    methods = methods_of(*resolved(base))
    abstract = [f"`{_written(name, one)}`" for name, one in methods.items() if one.is_abstract]
    shown = abstract or [f"`{_written(name, one)}`" for name, one in methods.items() if not name.startswith("_")]
    return f"the methods {', '.join(shown)}" if len(shown) > 1 else f"the method {', '.join(shown)}"


def _written(name: str, method: Method) -> str:
    return f"{name}({', '.join(('self', *method.parameters))})"


def _words(kind: str) -> str:
    return kind.replace("_", " ")
