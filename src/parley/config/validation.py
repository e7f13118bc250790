"""Validate an experiment's config, fill in its defaults, and report all problems at once."""

import copy
import difflib
import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple

from jsonschema.exceptions import ValidationError

from parley.config.claim_entries import about_each
from parley.config.consistency import inconsistencies
from parley.config.grid import check_count, expand, with_grid_keys
from parley.config.run_settings import has_classifier
from parley.config.schema import Config, Part, fill_defaults
from parley.config.schema_errors import errors_of, sentences_of, similar, where_of
from parley.core.errors import Findings, ParleyError

_ABSENCES = ("required", "minItems", "minProperties")


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
    complete = with_grid_keys(schema)
    for attempt in count():
        config = copy.deepcopy(given)
        fill_defaults(config, schema)
        errors = errors_of(config, complete)
        # Keys that are missing after the first attempt were removed by `_repair`, so their errors have been reported.
        told = [error for error in errors if not (attempt and error.validator in _ABSENCES)]
        findings.extend(sentence for error in told for sentence in sentences_of(error, schema))
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
        findings.extend(not_about(replaced, inconsistencies(config)))
    return Examined(config, findings.sentences, replaced)


def not_about(keys: Iterable[str], sentences: Iterable[str]) -> list[str]:
    """Return the error messages that mention none of the given keys."""
    patterns = [re.compile(rf"(?<![\w.]){re.escape(key)}(?!\w)") for key in keys]
    return [sentence for sentence in sentences if not any(pattern.search(sentence) for pattern in patterns)]


def _repair(given: Config, error: ValidationError, replaced: list[str]) -> bool:
    """Rename misspelt keys or choices, or remove the invalid value; return False if this is impossible."""
    path = list(error.absolute_path)
    section: Any = given
    if error.validator == "additionalProperties":
        for step in path:
            section = section[step]
        known = error.schema["properties"]
        for key in set(section) - set(known):
            value, near = section.pop(key), similar(str(key), known)
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
        replaced.append(where_of(path))
    return True
