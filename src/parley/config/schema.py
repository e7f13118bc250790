"""The schema of the config: read it, and fill in defaults."""

import copy
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

Config = dict[str, Any]
Part = Mapping[str, Any]
"""Schema of the config, of a section or of a value."""


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(_: Any, value: Any) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


def _full_match(_: Any, pattern: str, value: Any, __: Part) -> Iterator[ValidationError]:
    # In Python's `re.search`, which jsonschema uses, `$` also matches before a final line break.
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
Validator = validators.extend(Draft202012Validator, {"pattern": _full_match}, type_checker=_types)
"""JSON Schema validator that refuses infinite numbers, integers beyond 64 bits and 1.0 as an integer.

Patterns must match the whole text.
"""


def read_schema(path: str | Path) -> dict[str, Any]:
    """Read the JSON schema of the config (written as YAML)."""
    # In C, a tenth of the time: every call of the workflow reads it.
    schema: dict[str, Any] = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return schema


def fill_defaults(config: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Set missing keys to their defaults and sort the keys into the schema's order, in place.

    The order matters because images are assigned to splits in the order of the splits in the config.
    """
    known = schema.get("properties", {})
    given = dict(config)
    config.clear()
    for name, part in known.items():
        if name in given:
            config[name] = given[name]
        elif "default" in part:
            config[name] = copy.deepcopy(part["default"])
        value = config.get(name)
        for section in [value] if isinstance(value, dict) else _sections(value):
            fill_defaults(section, part.get("items", part))
    config |= {name: value for name, value in given.items() if name not in known}


def _sections(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_yaml(config: Config) -> str:
    """Return the config as YAML text, without sorting its keys."""
    text: str = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
    return text
