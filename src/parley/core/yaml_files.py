"""Check YAML before it is loaded: a repeated key loses a value, and a few bytes can fill the memory.

This module imports nothing of Parley, because `snakemake_logger_plugin_parley` loads it by its path, before it is known
which copy of Parley runs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 4 << 20
MOST_VALUES = 200_000
"""Maximum number of keys and values, with those that aliases repeat. Each run of a grid has about a hundred."""
MOST_LEVELS = 30
LONGEST_NUMBER = 400
_NUMBER = re.compile(r"[-+]?[\d_.:]+([eE][-+]?\d+)?")
_UNLIKE_ITS_VALUE = re.compile(r"[-+]?(0[\d_]+|[\d_]+(:\d+)+(\.[\d_]*)?)")
"""Numbers that YAML 1.1 reads as octal or in base 60: 010 is 8, and 1:30 is 90."""
_PLAIN_KEY = re.compile(r"0|-?[1-9]\d*")
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_RESOLVER: Any = yaml.resolver.Resolver()
_RUNS_CODE = "__use_yte__"
"""Key that makes Snakemake run Python code in a config, with the template engine YTE."""
_ADVICE = {
    "cannot start any token": "put text that begins with %, @ or ` in quotes",
    "incompatible YAML document": "remove the line that begins with %YAML",
    "directive": "remove the line that begins with %",
    "expected digit or '.'": "remove the line that begins with %YAML",
    "mapping values are not allowed": "put text with a colon and a space in quotes, or correct the indentation",
    "did not find expected key": "the lines of a section must begin in the same column",
    "expected ',' or": "close the bracket, or separate the values by commas",
    "unexpected end of stream": "close the quotes",
    "determine a constructor": "put the text in quotes",
    "for merging": "after <<, write an alias of a section such as *name, or a list of them",
}
"""Advice for an error, by a part of PyYAML's message."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """An error in a YAML file. The message names the file and usually the line."""


@dataclass
class _Collection:
    """A section or list that is being read."""

    is_section: bool
    anchor: str | None
    keys: dict[str, int] = field(default_factory=dict)
    """Line of each key."""
    is_at_key: bool = True
    values: int = 1
    """Number of values, including itself."""

    def add(self, event: Any, done: "_Collection | None", sizes: dict[str, int]) -> str:
        """Add a key or value, which is the collection `done` if given; return what is wrong with it."""
        anchor, size, problem = (done or event).anchor, done.values if done else 1, ""
        is_key = self.is_section and self.is_at_key
        if isinstance(event, yaml.AliasEvent):
            size, anchor = sizes.get(event.anchor, 0), None
            problem = "" if size else _unknown_alias(event.anchor)
        elif is_key and done:
            problem = (
                'a key is a list or a section; write text as the key, and put text that has braces in quotes ("{").'
            )
        elif isinstance(event, yaml.ScalarEvent):
            problem = _problem_of(event, is_key)
            if is_key and event.value in self.keys:
                first = self.keys[event.value] + 1
                problem = f"the key {event.value} is also in line {first}; merge or remove one of the two."
            elif is_key:
                self.keys[event.value] = event.start_mark.line
        if anchor is not None:
            sizes[anchor] = size
        self.is_at_key = not self.is_at_key
        self.values += size
        if self.values > MOST_VALUES:
            problem = f"there are more than {MOST_VALUES:,} values, with those that aliases repeat."
        return problem


def _unknown_alias(name: str) -> str:
    return (
        f"*{name} is unknown, or is used inside its own section; mark a value before this line with &{name}, or write "
        f'"*{name}" in quotes if it is text.'
    )


def _problem_of(event: Any, is_key: bool) -> str:
    """Return what is wrong with a text, number or other single value."""
    text = event.value
    if is_key and text == _RUNS_CODE:
        return f"{text} would run code in this file; remove the key, and write plain values."
    if "\0" in text:  # No path or name may have it.
        return r'a text contains a null character (\0); in double quotes, write a backslash as "\\".'
    if (event.implicit[0] or event.tag) and len(text) > LONGEST_NUMBER and _NUMBER.fullmatch(text):
        return f"a number has {len(text)} characters."
    if not event.implicit[0]:  # In quotes, or with a tag.
        return ""
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    if tag == _TEXT or (is_key and (tag == _MERGE or _PLAIN_KEY.fullmatch(text))):
        return ""
    if is_key:
        return f'YAML does not read the key {text or "(nothing)"} as text; write "{text}", in quotes.'
    if not _UNLIKE_ITS_VALUE.fullmatch(text) or not tag.endswith((":int", ":float")):
        return ""
    value = yaml.safe_load(text)
    decimal = value if ":" in text else int(text.replace("_", ""))
    if ":" not in text and decimal == value:
        return ""
    meant = str(value) if decimal == value else f"{decimal} or {value}"
    return f'YAML reads {text} as {value}; write {meant}, or "{text}" in quotes if it is text.'


def load_yaml(path: str | Path) -> Any:
    """Load a YAML file that is correct according to `check_yaml`."""
    text = check_yaml(path)
    try:
        return yaml.load(text, _LOADER)  # noqa: S506 - a safe loader  # nosec B506
    except (yaml.YAMLError, ValueError) as error:  # Such as a date with month 13.
        raise YamlError(syntax_problem(path, error, text)) from error


def check_yaml(path: str | Path) -> str:
    """Return the text of a YAML file.

    Raises
    ------
    YamlError
        If the file cannot be read, is not YAML, has a key twice in a section, or exceeds the constants of this module.
    """
    text = _text(Path(path))
    try:
        for line, problem in _problems(text):
            raise YamlError(f"{path}, line {line + 1}: {problem}")
    except yaml.YAMLError as error:
        raise YamlError(syntax_problem(path, error, text)) from error
    return text


def syntax_problem(path: str | Path, error: BaseException, text: str) -> str:
    """Return an error message for an exception with which PyYAML refuses the text of a file."""
    while error.__context__ is not None:  # yte, with which Snakemake reads configs, raises another error without line.
        error = error.__context__
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    advice = next((advice for part, advice in _ADVICE.items() if part in reason), "correct it")
    if mark and text[mark.index : mark.index + 1] == "\t":
        advice = "replace the tab by spaces"
    return f"{path} is not YAML ({f'line {mark.line + 1}: ' if mark else ''}{reason}); {advice}."


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise YamlError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise YamlError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    if len(data) > MOST_BYTES:
        raise YamlError(f"{path} is larger than {MOST_BYTES:,} bytes; is it a config?")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError(f"{path}, line {line} is not UTF-8 text; save it as UTF-8.") from error


def _problems(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line, counted from 0, and a sentence for each problem, as far as the text is read."""
    sizes: dict[str, int] = {}
    outer = [_Collection(is_section=False, anchor=None)]
    documents = 0
    for event in yaml.parse(text, _LOADER):
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            yield (
                event.start_mark.line,
                "a second document begins here (---); remove the line, or make it another file.",
            )
        if (tag := getattr(event, "tag", None)) is not None and tag not in _TAGS:
            written = tag.replace("tag:yaml.org,2002:", "!!")
            yield event.start_mark.line, f"the tag {written} is not allowed; remove it."
        if isinstance(event, yaml.CollectionStartEvent):
            outer.append(_Collection(isinstance(event, yaml.MappingStartEvent), event.anchor))
            if len(outer) > MOST_LEVELS:
                yield event.start_mark.line, f"more than {MOST_LEVELS} sections and lists are inside each other."
        elif isinstance(event, (yaml.CollectionEndEvent, yaml.NodeEvent)):
            done = outer.pop() if isinstance(event, yaml.CollectionEndEvent) else None
            if problem := outer[-1].add(event, done, sizes):
                yield event.start_mark.line, problem
