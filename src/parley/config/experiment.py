"""Read and check an experiment's config and class set, and check its inputs before a run."""

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from parley.config.claim_entries import lacking_parts
from parley.config.memory_budget import check_disk
from parley.config.options import network_options, source_options
from parley.config.paths import WEIGHTS_FOLDER, Paths, paths_of
from parley.config.schema import Config, read_schema, resolve, run_settings
from parley.core.errors import Findings, ParleyError
from parley.core.formats import base_of
from parley.dataset.candidates import shortages
from parley.dataset.class_set import ImageClass, read_class_set
from parley.dataset.sources import KINDS, open_source
from parley.dataset.split_plan import check_topk
from parley.features.options import ROLES, FeatureOptions, check_weights
from parley.game.settings import GameSettings
from parley.text.glosses import check_wordnet, needs_wordnet
from parley.text.glove import check_vectors


class Experiment(NamedTuple):
    """The config, classes and paths of an experiment."""

    config: Config
    classes: list[ImageClass]
    """The class set; empty if the config imports features (`source.kind: features`)."""
    paths: Paths


def read_experiment(raw: Mapping[str, Any], schema: str | Path) -> Experiment:
    """Check a config and its class set, and compute the paths of the experiment's files.

    Parameters
    ----------
    raw
        The config as the user wrote it.
    schema
        Path of the config's schema.

    Raises
    ------
    ParleyError
        If the config or class set is invalid. The error has one finding for each problem.
    """
    config = resolve(raw, read_schema(schema))
    findings = Findings()
    classes: list[ImageClass] = []
    try:
        if config["source"]["kind"] != "features":
            classes = read_class_set(config["classes"])
            findings.extend(check_topk(config["evaluation"], Counter(one.domain for one in classes)))
    except ParleyError as error:
        findings.extend(error.findings)
    findings.extend(_missing_files(config))
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


def _missing_files(config: Config) -> list[str]:
    # Checked here because Snakemake reports "Nothing to be done" if an input is missing but its outputs exist.
    source = config["source"]
    imported = source["features"] if source["kind"] == "features" else {}
    given = {f"source.features.{name}": path for name, path in imported.items()} | {
        "descriptions.evaluation": config["descriptions"]["evaluation"],
        "evaluation.attributes": config["evaluation"]["attributes"],
    }
    return [
        f"Config: {key} is {path}, which is not a file; check the path."
        for key, path in given.items()
        if path and not Path(path).is_file()
    ]


def attending_runs(config: Config) -> list[str]:
    """Return the names of the runs in which an agent has attention."""
    games = {run["name"]: GameSettings(**{**config["game"], **run["game"]}) for run in config["runs"]}
    return [name for name, game in games.items() if game.attends]


def needed_layers(config: Config) -> dict[str, Sequence[str]]:
    """Return a mapping from each run's name to the network layers whose features the run needs."""
    needed: dict[str, Sequence[str]] = {}
    for run in config["runs"]:
        game = {**config["game"], **run["game"]}
        attends = game["preset"].endswith("Attention")
        seen = game["image_layer"] if game["image_layer"] != "auto" else ("map" if attends else "pooled")
        # Any other name is the name of a dataset in imported feature files.
        needed[run["name"]] = [layer for layer in (seen, "logits" if attends else seen) if layer in ROLES]
    return needed


def check_inputs(
    config: Config, classes: Sequence[ImageClass], stages: Set[str], own_environments: bool = False
) -> list[str]:
    """Return an error message for each missing or invalid input of the rules about to run.

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set.
    stages
        Names of the rules about to run.
    own_environments
        Whether jobs run in separate software environments, which Snakemake creates.
    """
    findings: list[str] = []
    stages = {base_of(stage) for stage in stages}
    if stages & {"download_urls", "select_classes"}:
        findings += _check_source(config, classes)
    elif "write_data_card" in stages and KINDS[config["source"]["kind"]].states_rights:
        findings += open_source(source_options(config["source"])).check(classes)
    if "extract_features" in stages:
        findings += _check_network(network_options(config["features"]))
    if "build_descriptions" in stages and needs_wordnet(classes):
        findings += check_wordnet(config["descriptions"]["wordnet"])
    if "extract_messages" in stages:
        findings += check_disk(config, classes, f"results/{config['experiment']}")
    if "embed_words" in stages:
        findings += check_vectors(config["words"]["source"])
    if "train_run" in stages:
        findings += _check_layers(config) if config["source"]["kind"] != "features" else []
        findings += [] if own_environments else _check_tensorboard(config)
    return findings


def _check_source(config: Config, classes: Sequence[ImageClass]) -> list[str]:
    options = source_options(config["source"])
    source = open_source(options)
    findings = source.check(classes)
    if not findings and source.listed_at_once:
        listing = source.listing(classes, None)
        findings = shortages(listing, options, classes, config["split"], config["fetch"]["on_shortage"])
    return findings


def _check_network(options: FeatureOptions) -> list[str]:
    """Check the network and download torchvision's weights now, so that no job fails for lack of them."""
    if findings := check_weights(options):
        return findings
    # Imported here because it loads torch, which other checks and dry runs do not need.
    from parley.features.weights import fetch_weights

    try:
        fetch_weights(options, WEIGHTS_FOLDER)
    except ParleyError as error:
        return error.findings
    return []


def _check_layers(config: Config) -> list[str]:
    stored = set(config["features"]["layers"])
    return [
        f"Run {run!r} needs the layers {', '.join(needed)}, but features.layers has {', '.join(sorted(stored))}; "
        "add the missing layers."
        for run, needed in needed_layers(config).items()
        if not set(needed) <= stored
    ]


def _check_tensorboard(config: Config) -> list[str]:
    wanted = [run["name"] for run in config["runs"] if run_settings(config, run["name"])["training"]["tensorboard"]]
    if not wanted or importlib.util.find_spec("tensorboard") is not None:
        return []
    return [
        f"Run {', '.join(wanted)} has `training.tensorboard: true`, but the package tensorboard is not installed; "
        "install it (`uv sync --extra tensorboard`) or set the key to false."
    ]
