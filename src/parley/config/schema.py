"""Validate an experiment's config, fill in its defaults, and report all problems at once."""

import copy
import difflib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from parley.config.claim_entries import about_each, contradictions
from parley.config.grid import check_count, expand, with_grid_keys
from parley.core.errors import Findings, ParleyError, did_you_mean
from parley.core.file_names import confusable_form, name_problems
from parley.dataset.sources import KINDS
from parley.game.settings import GameSettings

Config = dict[str, Any]
Part = Mapping[str, Any]
"""Schema of the config, of a section or of a value."""
MOST_LISTED = 40
"""Maximum number of known keys to list in an error. A grid has more, because it accepts the keys of two sections."""


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(_: Any, value: Any) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


def _whole_match(_: Any, pattern: str, value: Any, __: Part) -> Iterator[ValidationError]:
    # In Python's `re.search`, which jsonschema uses, `$` also matches before a final line break.
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
Validator = validators.extend(Draft202012Validator, {"pattern": _whole_match}, type_checker=_types)
"""JSON Schema validator that refuses infinite numbers, integers beyond 64 bits and 1.0 as an integer.

Patterns must match the whole text.
"""


def read_schema(path: str | Path) -> dict[str, Any]:
    """Read the JSON schema of the config (written as YAML)."""
    # In C, a tenth of the time: every call of the workflow reads it.
    schema: dict[str, Any] = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return schema


def resolve(raw: Mapping[str, Any], schema: Mapping[str, Any]) -> Config:
    """Validate a config, replace grids by runs, and fill in the defaults.

    If `claims` is null, the default is to test all claims about a single run, for every run.

    Parameters
    ----------
    raw
        The config as the user wrote it.
    schema
        Result of `read_schema`.

    Returns
    -------
    dict
        A new, complete config, without grids.

    Raises
    ------
    ParleyError
        If a key is unknown, a value is invalid, or values contradict each other. The error lists every problem.
    """
    config, findings, _ = examine(raw, schema)
    if config is None or findings:
        raise ParleyError(findings)
    return config


class Examined(NamedTuple):
    """A config that may be invalid, and what is wrong with it."""

    config: Config | None
    """The config as `resolve` returns it, with defaults for invalid values; None if it cannot be completed."""
    findings: list[str]
    """An error message for each problem."""
    replaced: list[str]
    """Keys whose invalid values were replaced."""


def examine(raw: Mapping[str, Any], schema: Part) -> Examined:
    """Validate a config, and complete it even if it is invalid, so that other checks can follow.

    A misspelt key is treated as the known key that it resembles. The parameters are those of `resolve`.
    """
    given = copy.deepcopy(dict(raw))
    findings, replaced = Findings(), list[str]()
    validator = Validator(with_grid_keys(schema))
    for attempt in count():
        config = copy.deepcopy(given)
        fill_defaults(config, schema)
        errors = sorted(validator.iter_errors(config), key=_place)
        # Keys that are missing after the first attempt were removed by `_repair`, so their errors have been reported.
        told = [error for error in errors if not (attempt and error.validator in _ABSENCES)]
        findings.extend(sentence for error in told for sentence in _sentences(error, schema))
        if not errors:
            break
        errors.sort(key=lambda error: (error.validator != "additionalProperties", error.validator == "required"))
        if not _repair(given, errors[0], replaced):
            return Examined(None, findings.sentences, replaced)
    try:
        check_count(config["runs"], len(config["seeds"]))
        config["runs"] = expand(config["runs"])
    except ParleyError as error:
        findings.extend(error.findings)
        without_runs = config | {"runs": [], "claims": config["claims"] or []}
        return Examined(without_runs, findings.sentences, [*replaced, "runs"])
    if config["claims"] is None:
        config["claims"] = about_each([run["name"] for run in config["runs"]], has_classifier(config))
    if "runs" not in replaced:
        findings.extend(not_about(replaced, _contradictions(config)))
    return Examined(config, findings.sentences, replaced)


def not_about(keys: Iterable[str], sentences: Iterable[str]) -> list[str]:
    """Return the error messages that mention none of the given keys."""
    patterns = [re.compile(rf"(?<![\w.]){re.escape(key)}(?!\w)") for key in keys]
    return [sentence for sentence in sentences if not any(pattern.search(sentence) for pattern in patterns)]


_ABSENCES = ("required", "minItems", "minProperties")


def _repair(given: Config, error: ValidationError, replaced: list[str]) -> bool:
    """Rename misspelt keys or choices, or remove the invalid value; return False if this is impossible."""
    path = list(error.absolute_path)
    section: Any = given
    if error.validator == "additionalProperties":
        for step in path:
            section = section[step]
        known = error.schema["properties"]
        for key in set(section) - set(known):
            value, near = section.pop(key), _similar(str(key), known)
            section |= {name: value for name in near if name not in section}
        return True
    while path and isinstance(path[-1], int):
        path.pop()
    if not path:
        return False
    for step in path[:-1]:
        section = section[step]
    choices = {str(choice): choice for choice in error.validator_value} if error.validator == "enum" else {}
    near = difflib.get_close_matches(str(section.pop(path[-1])), choices, n=1)
    if near:
        section[path[-1]] = choices[near[0]]
    else:
        replaced.append(_where(path))
    return True


def _similar(key: str, known: Iterable[Any]) -> list[str]:
    return difflib.get_close_matches(key, [str(name) for name in known], n=1, cutoff=0.8)


def complaints(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return an error message for each unknown key, missing key and invalid value."""
    errors = sorted(Validator(schema).iter_errors(config), key=_place)
    return [sentence for error in errors for sentence in _sentences(error, schema)]


def _place(error: ValidationError) -> list[str]:
    return list(map(str, error.path))


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


def _sentences(error: ValidationError, schema: Part) -> Iterator[str]:
    where = _where(error.absolute_path)
    value: Any = error.validator_value
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error, schema)
    elif error.validator == "required":
        unknown = set(error.instance) - set(error.schema["properties"])
        missing = [key for key in value if key not in error.instance and not _similar(key, unknown)]
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
    elif error.validator in ("anyOf", "oneOf"):
        yield f"Config: {where} is {error.instance!r}; {error.schema.get('description', 'no allowed form matches')}"
    else:
        yield f"Config: {where}: {error.message}; config/README.md describes the allowed values."


def _wanted(kinds: Sequence[str], value: Any) -> str:
    """Return which values are allowed in place of one of another type."""
    if {"number", "integer"} & set(kinds):
        if isinstance(value, float) and not math.isfinite(value):
            return "a finite number"
        if isinstance(value, int) and abs(value) >= 2**63:
            return "a number below 2^63"
    if "string" in kinds and value is not None and not isinstance(value, (dict, list)):
        return "text; put it in quotes, because YAML reads yes, no, on, off, numbers and dates as other types"
    return f"of type {' or '.join(kinds)}"


def _as_written(value: Any) -> str:
    """Return a value as YAML has it, which for true, null and dates differs from Python."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value) if isinstance(value, date) else repr(value)


def _unknown_keys(error: ValidationError, schema: Part) -> Iterator[str]:
    known = sorted(error.schema.get("properties", {}))
    listed = f"the known keys are {', '.join(known)}." if len(known) <= MOST_LISTED else "see config/README.md."
    for key in sorted(set(error.instance) - set(known), key=str):
        place = _where([*error.absolute_path, str(key)])
        name, colon, value = str(key).partition(":")
        if colon and name in known:
            hint = f"write a space after the colon, `{name}: {value}`."
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


def _where(path: Any) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _contradictions(config: Config) -> Iterator[str]:
    """Yield an error message for each problem that the schema cannot express, such as repeated names."""
    source = config["source"]
    kind = source["kind"]
    for key in ("train", "dev", "test", "descriptions") if kind == "features" else KINDS[kind].needs_keys:
        if not source[kind][key]:
            yield f"Config: `source.kind` is {kind}, so `source.{kind}.{key}` must be given."
    games = [GameSettings(**{**config["game"], **run["game"]}) for run in config["runs"]]
    for run, game in zip(config["runs"], games, strict=True):
        yield from (f"Config, run {run['name']}: {sentence}" for sentence in game.contradictions())
    if config["evaluation"]["keep_attention"] and not any(game.attends for game in games):
        yield (
            "Config: `evaluation.keep_attention` is true, but no run has attention; set it to false, or give a run "
            "`game.description_attention` or a `game.preset` with Attention in its name."
        )
    yield from (f"Config: experiment is {config['experiment']!r}: {why}" for why in name_problems(config["experiment"]))
    names = [run["name"] for run in config["runs"]]
    yield from _name_complaints("run", names)
    bits = {run["name"]: game.message_bits for run, game in zip(config["runs"], games, strict=True)}
    yield from contradictions(config["claims"], bits)
    yield from _table_complaints(config["tables"], names)
    features = config["features"]
    if features["preprocessing"] == "custom" and features["custom"]["size"] is None:
        yield "Config: `features.preprocessing` is custom, so `features.custom.size` must be given."
    if source["kind"] != "features" and not config["classes"]:
        yield "Config: `classes` must be the path of the class set, a TSV; omit it only if `source.kind` is features."


def _name_complaints(what: str, names: list[str]) -> Iterator[str]:
    """Yield an error message for each name of a run or table that is repeated or not a file name everywhere."""
    first: dict[str, str] = {}
    for name in names:
        yield from (f"Config: the {what} {name!r}: {problem}" for problem in name_problems(name))
        if (other := first.setdefault(confusable_form(name), name)) != name:
            yield f"Config: the {what}s {other!r} and {name!r} are the same file on some systems; rename one."
    for name in sorted(name for name, times in Counter(names).items() if times > 1):
        yield f"Config: two {what}s are called {name!r}; give each its own name."


def _table_complaints(tables: list[Config], runs: list[str]) -> Iterator[str]:
    """Yield an error message for each entry of `tables` with a repeated name or unknown runs."""
    yield from _name_complaints("table", [table["name"] for table in tables])
    for table in tables:
        if strays := [run for run in table["runs"] if run not in runs]:
            known = did_you_mean(strays[0], runs, f"the runs are {', '.join(runs)}.")
            yield f"Config: the table {table['name']} lists unknown runs: {', '.join(strays)}; {known}"


def classifier_layers(config: Config) -> list[str]:
    """Return the layers for the linear classifier, which uses the first that the files have; maybe none."""
    if config["source"]["kind"] != "features":
        return [layer for layer in ("pooled", "logits") if layer in config["features"]["layers"]]
    seen = [{**config["game"], **run["game"]}["image_layer"] for run in config["runs"]]
    return list(dict.fromkeys(["pooled", "logits", *(layer for layer in seen if layer not in ("auto", "map"))]))


def has_classifier(config: Config) -> bool:
    """Return whether the linear classifier is expected to be possible: on vectors, and a dev split of seen classes."""
    among = {(config["training"] | run["training"])["dev_candidates"] for run in config["runs"]}
    return among <= {"seen"} and bool(classifier_layers(config))


def run_settings(config: Config, run_name: str) -> Config:
    """Return one run's game and training settings. The run's settings override those of the config."""
    for run in config["runs"]:
        if run["name"] == run_name:
            return {
                "game": {**config["game"], **run["game"]},
                "training": {**config["training"], **run["training"]},
            }
    names = [run["name"] for run in config["runs"]]
    hint = did_you_mean(run_name, names, f"the runs are {', '.join(names)}.")
    raise ParleyError(f"Config: there is no run {run_name!r}; {hint}")


def as_yaml(config: Config) -> str:
    """Return the config as YAML text, without sorting its keys."""
    text: str = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
    return text
