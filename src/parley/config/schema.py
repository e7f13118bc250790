"""Validate an experiment's config, fill in its defaults, and report all problems at once."""

import copy
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from parley.config.claim_entries import about_each, contradictions
from parley.config.grid import expand, with_grid_keys
from parley.core.errors import Findings, ParleyError
from parley.dataset.sources import KINDS
from parley.game.settings import GameSettings

Config = dict[str, Any]
MOST_LISTED = 40
"""Maximum number of known keys to list in an error. A grid has more known keys: all those of two sections."""


def read_schema(path: str | Path) -> dict[str, Any]:
    """Read the JSON schema of the config (written as YAML)."""
    schema: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return schema


def resolve(raw: Mapping[str, Any], schema: Mapping[str, Any]) -> Config:
    """Validate a config, replace grids by runs, and fill in defaults: the schema's, and the claims if `claims` is null.

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
    config = copy.deepcopy(dict(raw))
    fill_defaults(config, schema)
    findings = Findings()
    findings.extend(complaints(config, with_grid_keys(schema)))
    findings.raise_if_any()
    config["runs"] = expand(config["runs"])
    if config["claims"] is None:
        config["claims"] = about_each([run["name"] for run in config["runs"]], classifier_layer(config) is not None)
    findings.extend(_contradictions(config))
    findings.raise_if_any()
    return config


def complaints(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return an error message for each unknown key, missing key and invalid value."""
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [sentence for error in errors for sentence in _sentences(error)]


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


def _sentences(error: ValidationError) -> Iterator[str]:
    where = _where(error.absolute_path)
    value: Any = error.validator_value
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error)
    elif error.validator == "required":
        missing = [key for key in value if key not in error.instance]
        yield f"Config: {where or 'the file'} lacks {', '.join(missing)}; add it (config/README.md lists every key)."
    elif error.validator == "enum":
        allowed = ", ".join(str(choice) for choice in value)
        yield f"Config: {where} is {error.instance!r}; it must be one of {allowed}."
    elif error.validator == "type":
        kinds = value if isinstance(value, str) else " or ".join(value)
        yield f"Config: {where} is {error.instance!r}; it must be of type {kinds}."
    elif error.validator in ("anyOf", "oneOf"):
        yield f"Config: {where} is {error.instance!r}; {error.schema.get('description', 'no allowed form matches')}"
    else:
        yield f"Config: {where}: {error.message}; config/README.md describes the allowed values."


def _unknown_keys(error: ValidationError) -> Iterator[str]:
    known = sorted(error.schema.get("properties", {}))
    for key in sorted(set(error.instance) - set(known), key=str):
        place = _where([*error.absolute_path, key])
        near = difflib.get_close_matches(str(key), known, n=1)
        listed = f"the known keys are {', '.join(known)}." if len(known) <= MOST_LISTED else "see config/README.md."
        hint = f"did you mean {near[0]}?" if near else listed
        yield f"Config: the key {place} is unknown; {hint}"


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
    names = [run["name"] for run in config["runs"]]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"Config: two runs are called {name!r}; give each its own name."
    bits = {run["name"]: game.message_bits for run, game in zip(config["runs"], games, strict=True)}
    yield from contradictions(config["claims"], bits)
    yield from _table_complaints(config["tables"], names)
    features = config["features"]
    if features["preprocessing"] == "custom" and features["custom"]["size"] is None:
        yield "Config: `features.preprocessing` is custom, so `features.custom.size` must be given."
    if source["kind"] != "features" and not config["classes"]:
        yield "Config: `classes` must be the path of the class set, a TSV; omit it only if `source.kind` is features."


def _table_complaints(tables: list[Config], runs: list[str]) -> Iterator[str]:
    """Yield error messages for tables with repeated names or unknown runs."""
    names = [table["name"] for table in tables]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"Config: two tables are called {name!r}; give each its own name."
    for table in tables:
        if strays := [run for run in table["runs"] if run not in runs]:
            known = ", ".join(runs)
            yield f"Config: the table {table['name']} lists unknown runs: {', '.join(strays)}; the runs are {known}."


def classifier_layer(config: Config) -> str | None:
    """Return the layer for the linear classifier: `pooled` if stored, else `logits` if stored, else None."""
    if config["source"]["kind"] == "features":
        return "pooled"  # The layers in imported feature files are unknown here.
    return next((layer for layer in ("pooled", "logits") if layer in config["features"]["layers"]), None)


def run_settings(config: Config, run_name: str) -> Config:
    """Return one run's game and training settings. The run's settings override those of the config."""
    for run in config["runs"]:
        if run["name"] == run_name:
            return {
                "game": {**config["game"], **run["game"]},
                "training": {**config["training"], **run["training"]},
            }
    names = ", ".join(run["name"] for run in config["runs"])
    raise ParleyError(f"Config: there is no run {run_name!r}; the runs are {names}.")


def as_yaml(config: Config) -> str:
    """Return the config as YAML text, without sorting its keys."""
    text: str = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
    return text
