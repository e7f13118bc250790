"""Check the attributes that a class sets in its body, such as a channel's, without running its file."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from parley.core.errors import did_you_mean
from parley.plugins.source import SourceFile, bases_of, resolved

_CHANNEL = "parley.game.channel.Channel"
_CONTRADICTIONS: Sequence[tuple[Mapping[str, bool], str]] = (
    ({"uses_reinforce": True, "has_entropy": False}, "REINFORCE needs a probability distribution of messages"),
    ({"uses_reinforce": True, "discrete": False}, "messages that REINFORCE trains are bits, in evaluation too"),
)
"""Values of a channel's attributes that exclude each other, and why."""
_ALIKE = 0.8
"""Similarity above which an attribute is taken for a misspelt one; a class may have others of its own."""


def attribute_problems(base: str, file: SourceFile, node: ast.ClassDef) -> Iterator[str]:
    """Yield what is wrong with the attributes of a class, as ends of a sentence."""
    of_parley = resolved(base)
    known = dict(_attributes(of_parley[1]))
    own = [one for found_in, one in bases_of(file, node) if found_in is file]
    for name in (name for one in [node, *own] for name, _ in _attributes(one)):
        if name not in known and (meant := did_you_mean(name, known, cutoff=_ALIKE)):
            yield f"sets the attribute `{name}`, which Parley does not know; {meant} Correct or rename it"
    if base == _CHANNEL:
        yield from _contradictions(file, node)


def _contradictions(file: SourceFile, node: ast.ClassDef) -> Iterator[str]:
    values: dict[str, object] = {}
    for one in [node, *(found for _, found in bases_of(file, node))]:
        values = dict(_attributes(one)) | values
    for pair, why in _CONTRADICTIONS:
        if all(values.get(name) is value for name, value in pair.items()):
            shown = " and ".join(f"`{name} = {value}`" for name, value in pair.items())
            yield f"has {shown}, but {why}; change one of them"


def _attributes(node: ast.ClassDef) -> Iterator[tuple[str, object]]:
    """Yield the public attributes that a class sets or declares in its body, with their values if they are literals."""
    for line in node.body:
        if isinstance(line, ast.Assign | ast.AnnAssign):
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            value = line.value.value if isinstance(line.value, ast.Constant) else None
            yield from ((one.id, value) for one in targets if isinstance(one, ast.Name) and one.id[0] != "_")
