"""An experiment: its checked config, its classes, and the options that each stage takes from it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parley.config.claim_entries import lacking_parts
from parley.config.options import network_options, source_options
from parley.config.paths import Paths, paths_of
from parley.config.schema import Config, read_schema, resolve
from parley.core.errors import Findings, ParleyError
from parley.dataset.class_set import ImageClass, read_class_set
from parley.dataset.split_plan import check_topk
from parley.game.settings import GameSettings

ROLES = ("pooled", "map", "logits")
"""What features are stored as."""


class Experiment(NamedTuple):
    """What the Snakefile knows of an experiment."""

    config: Config
    classes: list[ImageClass]
    """The class set; empty where features are given ready-made."""
    paths: Paths


def read_experiment(raw: Mapping[str, Any], schema: str | Path) -> Experiment:
    """Check a config and its class set, and work out where the experiment's files lie.

    Parameters
    ----------
    raw
        What the user wrote.
    schema
        The file of the config's schema.

    Raises
    ------
    ParleyError
        With everything that is wrong, a sentence each.
    """
    config = resolve(raw, read_schema(schema))
    findings = Findings()
    classes: list[ImageClass] = []
    try:
        if config["source"]["kind"] == "features":
            findings.extend(_missing_features(config["source"]["features"]))
        else:
            classes = read_class_set(config["classes"])
            findings.extend(check_topk(config["evaluation"], Counter(one.domain for one in classes)))
    except ParleyError as error:
        findings.extend(error.findings)
    if (other := config["descriptions"]["evaluation"]) and not Path(other).is_file():
        findings.add(f"Config: descriptions.evaluation is {other}, which is no file; check the path.")
    if (table := config["evaluation"]["attributes"]) and not Path(table).is_file():
        findings.add(f"Config: evaluation.attributes is {table}, which is no file; check the path.")
    try:
        features = network_options(config["features"])
    except ParleyError as error:
        findings.extend(error.findings)
    findings.raise_if_any()
    name = Path(config["classes"]).stem if classes else ""
    paths = paths_of(config, classes, name, source_options(config["source"]), features)
    findings.extend(lacking_parts(config["claims"], paths.parts))
    findings.raise_if_any()
    return Experiment(config, classes, paths)


def _missing_features(given: Mapping[str, str | None]) -> list[str]:
    # Told here and not by Snakemake, which takes a missing input for "nothing to be done" where an
    # earlier run's outputs exist.
    return [
        f"Config: source.features.{name} is {path}, which is no file; check the path."
        for name, path in given.items()
        if path and not Path(path).is_file()
    ]


def attending_runs(config: Config) -> list[str]:
    """Return the names of the runs in which an agent has attention."""
    games = {run["name"]: GameSettings(**{**config["game"], **run["game"]}) for run in config["runs"]}
    return [name for name, game in games.items() if game.attends]


def needed_layers(config: Config) -> dict[str, Sequence[str]]:
    """Return the layers that each run needs, by the run's name."""
    needed: dict[str, Sequence[str]] = {}
    for run in config["runs"]:
        game = {**config["game"], **run["game"]}
        attends = game["preset"].endswith("Attention")
        seen = game["image_layer"] if game["image_layer"] != "auto" else ("map" if attends else "pooled")
        # A layer by another name is a dataset's, which the parts have or not.
        needed[run["name"]] = [layer for layer in (seen, "logits" if attends else seen) if layer in ROLES]
    return needed
