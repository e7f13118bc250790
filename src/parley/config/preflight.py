"""A look, before any work, at what the stages that are about to run need from outside."""

import importlib.util
from collections.abc import Sequence, Set

from parley.config.experiment import needed_layers
from parley.config.memory_budget import check_disk
from parley.config.options import network_options, source_options
from parley.config.paths import WEIGHTS_FOLDER
from parley.config.schema import Config, run_settings
from parley.core.errors import ParleyError
from parley.dataset.candidates import shortages
from parley.dataset.class_set import ImageClass
from parley.dataset.sources import open_source
from parley.features.options import FeatureOptions, check_weights
from parley.text.glosses import check_wordnet, needs_wordnet
from parley.text.glove import check_vectors


def check_inputs(
    config: Config, classes: Sequence[ImageClass], stages: Set[str], own_environments: bool = False
) -> list[str]:
    """Return what is missing, a sentence each.

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set.
    stages
        Names of the rules that are about to run; what only others need is not looked for.
    own_environments
        Whether jobs run in environments of their own, with other packages than here.
    """
    findings: list[str] = []
    if stages & {"download_urls", "select_classes"}:
        findings += _check_source(config, classes)
    elif "write_data_card" in stages and config["source"]["kind"] == "manifest":
        findings += open_source(source_options(config["source"])).check(classes)
    if any(stage.startswith("extract_features") for stage in stages):
        findings += _check_network(network_options(config["features"]))
    if "build_descriptions" in stages and needs_wordnet(classes):
        findings += check_wordnet(config["descriptions"]["wordnet"])
    if "extract_messages" in stages:
        findings += check_disk(config, classes, f"results/{config['experiment']}")
    if "embed_words" in stages:
        findings += check_vectors(config["words"]["source"])
    if any(stage.startswith("train_run") for stage in stages):
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
    """Check the network; torchvision's weights are downloaded now, so that no job stops for want of them."""
    if findings := check_weights(options):
        return findings
    # Imported here because it loads torch, which no other check and no dry run should wait for.
    from parley.features.weights import fetch_weights

    try:
        fetch_weights(options, WEIGHTS_FOLDER)
    except ParleyError as error:
        return error.findings
    return []


def _check_layers(config: Config) -> list[str]:
    stored = set(config["features"]["layers"])
    return [
        f"Run {run!r} needs the layers {', '.join(needed)}, but features.layers keeps {', '.join(sorted(stored))}; "
        "add them."
        for run, needed in needed_layers(config).items()
        if not set(needed) <= stored
    ]


def _check_tensorboard(config: Config) -> list[str]:
    wanted = [run["name"] for run in config["runs"] if run_settings(config, run["name"])["training"]["tensorboard"]]
    if not wanted or importlib.util.find_spec("tensorboard") is not None:
        return []
    return [
        f"Run {', '.join(wanted)} has training.tensorboard, but the package tensorboard is not installed; install it "
        "(`uv sync --extra tensorboard`) or set it to false."
    ]
