"""Values that override those of a config: `snakemake --config`, and `--set` of the commands; and their types."""

import contextlib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from parley.config.grid import with_grid_keys
from parley.config.schema import Config, Part

_SCIENTIFIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def with_settings(raw: Mapping[str, Any], settings: Iterable[str], schema: Part) -> Config:
    """Apply the settings of `snakemake --config` to a config, converting values to the types in the schema.

    Snakemake reads all values inside lists and sections as text. `~` at the start of a path is expanded.

    Parameters
    ----------
    raw
        The config as the user wrote it. Sections are merged with the settings; other values are replaced.
    settings
        Settings, written as ``key=value`` with a YAML value.
    schema
        Result of `read_schema`.
    """
    complete = with_grid_keys(schema)
    config = dict(raw)
    for setting in settings:
        key, _, text = setting.partition("=")
        text = text.strip("'\"")  # As Snakemake does.
        value: Any = text
        part = _part_of(complete, key, complete)
        if "string" not in _kinds(part):
            with contextlib.suppress(yaml.YAMLError, RecursionError):
                value = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - only texts, lists, mappings  # nosec B506
        config[key] = _overlaid(config.get(key), value, part, complete)
    return {key: _converted(value, _part_of(complete, key, complete), complete) for key, value in config.items()}


def _overlaid(below: Any, value: Any, part: Part, schema: Part) -> Any:
    """Convert the texts in a value to the types in the schema. A section is merged over the section `below`."""
    if isinstance(value, dict):
        section = below if isinstance(below, dict) else {}
        typed = {k: _overlaid(section.get(k), v, _part_of(part, k, schema), schema) for k, v in value.items()}
        return section | typed
    if isinstance(value, list):
        return [_overlaid(None, item, part.get("items", {}), schema) for item in value]
    try:
        return parse_value(value or "", part)
    except ValueError:
        return value


def _converted(value: Any, part: Part, schema: Part) -> Any:
    """Expand `~` in paths, and convert texts such as 1e-4, which PyYAML does not take for a number, to numbers."""
    if isinstance(value, dict):
        return {key: _converted(item, _part_of(part, key, schema), schema) for key, item in value.items()}
    if isinstance(value, list):
        return [_converted(item, part.get("items", {}), schema) for item in value]
    if isinstance(value, str) and part.get("format") == "path":
        return os.path.expanduser(value)  # noqa: PTH111 - it may be a URL
    if isinstance(value, str) and _SCIENTIFIC.fullmatch(value):
        with contextlib.suppress(ValueError):
            return parse_value(value, part)
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole and "integer" in _kinds(part) else value


def _part_of(part: Part, key: str, schema: Part) -> Part:
    """Return the schema of a key, from the schema `part` of its section; an empty schema if the key is unknown."""
    if "$ref" in part:
        part = schema["properties"][part["$ref"].rpartition("/")[2]]
    others = part.get("additionalProperties")
    found: Part = part.get("properties", {}).get(key, others if isinstance(others, dict) else {})
    return found


def _kinds(part: Part) -> Sequence[str]:
    kinds: str | list[str] = part.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def parse_value(text: str, part: Part) -> Any:
    """Parse a value as YAML, but keep it as text if the schema expects a string, and parse 1e-3 as a number.

    Raises
    ------
    ValueError
        If the text is not YAML, or is an infinite number.
    """
    kinds = _kinds(part)
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if "string" not in kinds:
            raise ValueError(f"invalid YAML ({str(error).splitlines()[0]})") from error
        return text
    if "string" in kinds and not (isinstance(value, str) or (value is None and "null" in kinds)):
        return text
    if isinstance(value, str) and {"number", "integer"} & set(kinds):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("the value must be a finite number")
    return int(value) if isinstance(value, float) and value.is_integer() and "integer" in kinds else value
