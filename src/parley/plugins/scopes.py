"""Which names in a file are those of its top level, and which are parameters and local variables."""

import ast
from collections.abc import Iterable, Iterator

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, Comprehension)


def outer_references(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[ast.Name | ast.Attribute]:
    """Yield the names, and attributes of names, in a statement or expression, except those of local variables.

    Names that are imported in a function count as those of the top level, because they mean the same there.

    Parameters
    ----------
    node
        The statement or expression.
    local
        Names that are local variables where it is.
    """
    if isinstance(node, ast.Name | ast.Attribute) and _root(node) not in local:
        yield node
    inside = {id(child): names for child, names in _inner(node, local)}
    for child in ast.iter_child_nodes(node):
        yield from outer_references(child, inside.get(id(child), local))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _inner(node: ast.AST, local: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield the children of a node that are in a scope of their own, with the local names of that scope."""
    if isinstance(node, _Function):
        names = local | _bound_by([node.args, *node.body])
        yield from ((child, names) for child in node.body)
    elif isinstance(node, ast.Lambda):
        yield node.body, local | _bound_by([node.args])
    elif isinstance(node, Comprehension):
        names = local | _bound_by(one.target for one in node.generators)
        yield from ((child, names) for child in ast.iter_child_nodes(node))
    elif isinstance(node, ast.ClassDef):
        # Methods do not see the class's variables.
        names = local | _bound_by(node.body)
        yield from ((child, names) for child in node.body if not isinstance(child, _Function | ast.ClassDef))


def _bound_by(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Return the names that parameters and statements bind, without those of scopes inside them and imported names."""
    bound: set[str | None] = set()
    elsewhere: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Global):
            elsewhere |= set(node.names)
        elif isinstance(node, _Function | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            bound.add(node.name)
        elif isinstance(node, ast.MatchMapping):
            bound.add(node.rest)
        if not isinstance(node, _INNER):
            waiting += ast.iter_child_nodes(node)
    return frozenset(name for name in bound if name) - elsewhere
