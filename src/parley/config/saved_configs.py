"""Read configs in results folders: the runs in config.yaml, and a run's config.json with some values overridden."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.config.overrides import parse_value
from parley.config.schema import Part, fill_defaults
from parley.config.schema_errors import complaints
from parley.core.errors import Findings, ParleyError
from parley.core.yaml_files import YamlError, load_yaml


def read_config(path: Path) -> dict[str, Any]:
    """Read a config as it was written, without defaults.

    Raises
    ------
    ParleyError
        If the file is missing, or does not consist of keys and values in YAML.
    """
    try:
        config = load_yaml(path)
    except YamlError as error:
        raise ParleyError(str(error)) from error
    if not isinstance(config, dict):
        raise ParleyError(f"{path} is not a config: it must consist of keys and values.")
    return config


def named_runs(folder: Path) -> list[tuple[str, int]]:
    """Return every pair of run and seed in an experiment's config.yaml, run by run.

    Folders of other runs are left over from an earlier config, and are ignored.

    Parameters
    ----------
    folder
        The results folder, ``results/<experiment>``.

    Raises
    ------
    ParleyError
        If there is no config.yaml, or if it does not contain runs and seeds.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise ParleyError(
            f"{folder} is not an experiment's folder: it has no config.yaml. Give results/<experiment>; to "
            f"write the file, run `uv run snakemake --cores 1 {_target(folder)}` with the experiment's config."
        )
    try:
        config = read_config(path)
        owners = [(run["name"], seed) for run in config["runs"] for seed in config["seeds"]]
        if owners and all((type(run), type(seed)) == (str, int) for run, seed in owners):
            return owners
    except (KeyError, TypeError, ParleyError):
        pass
    raise ParleyError(
        f"{path} does not list runs and seeds; remove it and run `uv run snakemake --cores 1 {_target(folder)}` "
        "with the experiment's config."
    )


def command_for(target: str, folder: Path) -> str:
    """Return the command that makes a target of the experiment in a results folder, by the folder's config.yaml."""
    return f"uv run snakemake --cores 1 {target} --configfile {folder}/config.yaml"


def _target(folder: Path) -> str:
    """Return the path of config.yaml as a target of Snakemake."""
    return f"results/{folder.absolute().name}/config.yaml"


def read_run(path: str | Path) -> dict[str, Any]:
    """Read a run's config.json.

    Raises
    ------
    ParleyError
        If the file is missing or is not a run's config.
    """
    try:
        run = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except (OSError, ValueError, RecursionError) as error:  # The last: nested brackets.
        raise ParleyError(f"{path} is not a run's config.json ({error}); give one in a run's folder.") from error
    if not isinstance(run, dict) or not {"game", "training"} <= run.keys():
        raise ParleyError(
            f"{path} lacks the section `game` or `training`; give the path of the config.json in a run's folder."
        )
    return run


def schema_of_run(schema: Part) -> dict[str, Any]:
    """Return the schema of a run's config.json, built from the schema of an experiment's config."""
    keys = schema["properties"]
    properties = {
        "experiment": keys["experiment"],
        "run": keys["runs"]["items"]["properties"]["name"],
        "seed": keys["seeds"]["items"],
        "k": keys["evaluation"]["properties"]["k"],
        "game": keys["game"],
        "training": keys["training"],
        "plugins": {"type": "object", "additionalProperties": {"type": "object"}},
    }
    required = ["experiment", "run", "seed", "k"]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def overridden(run: Mapping[str, Any], settings: Sequence[str], schema: Part) -> dict[str, Any]:
    """Return a copy of a run's config with some values changed. All values are validated.

    The flag `log_load` of the original implementation (Evtimova et al., 2018) has the same purpose.

    Parameters
    ----------
    run
        Result of `read_run`; missing keys get their defaults.
    settings
        Changes, written as ``section.key=value`` with a YAML value. If a key is set twice, the last value is used.
    schema
        The schema of an experiment's config.

    Raises
    ------
    ParleyError
        If a key is unknown, or a value or a setting is invalid. The error lists every problem.
    """
    allowed = schema_of_run(schema)
    changed = copy.deepcopy(dict(run))
    findings = Findings()
    for setting in settings:
        try:
            _set(changed, setting, allowed)
        except ParleyError as error:
            findings.extend(error.findings)
    fill_defaults(changed, allowed)
    findings.extend(complaints(changed, allowed))
    findings.raise_if_any()
    return changed


def _set(run: dict[str, Any], setting: str, schema: Part) -> None:
    keys, equals, text = setting.partition("=")
    *above, key = keys.strip().split(".")
    if not equals or not all([*above, key]):
        raise ParleyError(f"--set {setting}: write it as section.key=value, such as game.message_bits=16.")
    section, part = run, schema
    for step in above:
        part = part.get("properties", {}).get(step, {})
        below = section.setdefault(step, {})
        if not isinstance(below, dict):
            raise ParleyError(
                f"--set {setting}: {step} is not a section but has the value {below!r}; see config/README.md."
            )
        section = below
    try:
        section[key] = parse_value(text, part.get("properties", {}).get(key, {}))
    except ValueError as error:
        raise ParleyError(f"--set {setting}: {error}.") from error
