"""Error messages for values that the config's schema refuses."""

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from jsonschema.exceptions import ValidationError

from parley.config.schema import Part, Validator
from parley.core.errors import did_you_mean

MOST_LISTED = 40
"""Maximum number of known keys to list in an error. A grid has more, because it accepts the keys of two sections."""


def complaints(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return an error message for each unknown key, missing key and invalid value."""
    return [sentence for error in errors_of(config, schema) for sentence in sentences_of(error, schema)]


def errors_of(config: Mapping[str, Any], schema: Part) -> list[ValidationError]:
    """Return what the schema refuses in a config, in the order of the places in the config."""
    return sorted(Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))


def sentences_of(error: ValidationError, schema: Part) -> Iterator[str]:
    """Yield an error message for each problem that a validator error represents."""
    where = where_of(error.absolute_path)
    value: Any = error.validator_value
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error, schema)
    elif error.validator == "required":
        unknown = set(error.instance) - set(error.schema["properties"])
        missing = [key for key in value if key not in error.instance and not similar(key, unknown)]
        if missing:
            lacking = f"{where or 'the file'} lacks {', '.join(missing)}"
            yield f"Config: {lacking}; add it (config/README.md lists every key)."
    elif error.validator == "enum":
        allowed = ", ".join(str(choice) for choice in value)
        hint = did_you_mean(error.instance, map(str, value))
        found = f"{where} is {_as_written(error.instance)}"
        yield f"Config: {found}; it must be one of {allowed}{f'; {hint}' if hint else '.'}"
    elif error.validator == "type":
        if "enum" not in error.schema:  # Otherwise, the error of `enum` lists the choices.
            kinds = [value] if isinstance(value, str) else value
            yield f"Config: {where} is {_as_written(error.instance)}; it must be {_wanted(kinds, error.instance)}."
    else:
        yield f"Config: {where}: {error.message}; config/README.md describes the allowed values."


def _wanted(kinds: Sequence[str], value: Any) -> str:
    """Return a description of the values allowed by a schema's types."""
    if {"number", "integer"} & set(kinds):
        if isinstance(value, float) and not math.isfinite(value):
            return "a finite number"
        if isinstance(value, int) and abs(value) >= 2**63:
            return "a number below 2^63"
    if "string" in kinds and value is not None and not isinstance(value, (dict, list)):
        return "text; put it in quotes, because YAML reads yes, no, on, off, numbers and dates as other types"
    return f"of type {' or '.join(kinds)}"


def _as_written(value: Any) -> str:
    """Return a value in YAML's notation, which differs from Python's for true, null and dates."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value) if isinstance(value, date) else repr(value)


def _unknown_keys(error: ValidationError, schema: Part) -> Iterator[str]:
    known = sorted(error.schema.get("properties", {}))
    listed = f"the known keys are {', '.join(known)}." if len(known) <= MOST_LISTED else "see config/README.md."
    for key in sorted(set(error.instance) - set(known), key=str):
        place = where_of([*error.absolute_path, str(key)])
        name, colon, value = str(key).partition(":")
        if colon and name in known:
            hint = f"write a space after the colon, `{name}: {value}`."
        elif f"plugin_{key}" in known:
            hint = f"did you mean plugin_{key}?"
        else:
            in_grid = "grid" in error.absolute_path
            hint = ("" if in_grid else _in_sections(str(key), schema)) or did_you_mean(key, known, listed)
        yield f"Config: the key {place} is unknown; {hint}"


def _in_sections(key: str, schema: Part) -> str:
    """Return a question that suggests the sections that have a key such as `steps`; an empty string if none has it."""
    name = key.rpartition(".")[2]
    places = [section for section, part in schema["properties"].items() if name in part.get("properties", {})]
    asked = [f"`{section}: {{{name}: ...}}`" for section in places if key in (name, f"{section}.{name}")]
    return f"did you mean {' or '.join(asked)}?" if asked else ""


def similar(key: str, known: Iterable[Any]) -> list[str]:
    """Return the known key that resembles a misspelt one, as a list; an empty list if there is none."""
    return difflib.get_close_matches(key, [str(name) for name in known], n=1, cutoff=0.8)


def where_of(path: Any) -> str:
    """Return the path of a value in the config as text, such as `runs[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
