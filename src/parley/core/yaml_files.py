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
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """What is wrong with a YAML file, in a sentence that names the file and usually the line."""


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
        if isinstance(event, yaml.AliasEvent):
            size, anchor = sizes.get(event.anchor, 0), None
            problem = "" if size else f"*{event.anchor} is unknown, or part of what it repeats."
        elif isinstance(event, yaml.ScalarEvent):
            if event.implicit[0] and len(event.value) > LONGEST_NUMBER and _NUMBER.fullmatch(event.value):
                problem = f"a number has {len(event.value)} characters."
            is_key = self.is_section and self.is_at_key
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


def load_yaml(path: str | Path) -> Any:
    """Load a YAML file that is correct according to `check_yaml`."""
    text = check_yaml(path)
    try:
        return yaml.load(text, _LOADER)  # noqa: S506 - a safe loader  # nosec B506
    except (yaml.YAMLError, ValueError) as error:  # Such as a date with month 13.
        raise YamlError(f"{path} is not YAML ({_in_a_line(error)}); correct it.") from error


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
        raise YamlError(f"{path} is not YAML ({_in_a_line(error)}); correct it.") from error
    return text


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
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            outer.append(_Collection(isinstance(event, yaml.MappingStartEvent), event.anchor))
            if len(outer) > MOST_LEVELS:
                yield event.start_mark.line, f"more than {MOST_LEVELS} sections and lists are inside each other."
        elif isinstance(event, (yaml.CollectionEndEvent, yaml.NodeEvent)):
            done = outer.pop() if isinstance(event, yaml.CollectionEndEvent) else None
            if problem := outer[-1].add(event, done, sizes):
                yield event.start_mark.line, problem


def _in_a_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {reason}" if mark else reason
