"""A look, before any work, at what the stages that are about to run need from outside."""

from collections.abc import Sequence, Set
from pathlib import Path

from parley.classes import ImageClass
from parley.config import Config
from parley.errors import ParleyError
from parley.experiment import needed_layers
from parley.features.identity import check_weights, is_downloaded
from parley.features.options import FeatureOptions
from parley.glosses import needs_wordnet
from parley.glove import check_vectors
from parley.layout import WEIGHTS_FOLDER
from parley.options import network_options, source_options
from parley.sources import open_source
from parley.wordnet import check_wordnet


def check_inputs(config: Config, classes: Sequence[ImageClass], stages: Set[str]) -> list[str]:
    """Return what is missing, a sentence each.

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set.
    stages
        Names of the rules that are about to run; what only others need is not looked for.
    """
    findings: list[str] = []
    if stages & {"download_urls", "select_classes"}:
        findings += open_source(source_options(config["source"])).check(classes)
    if any(stage.startswith("extract_features") for stage in stages):
        findings += _check_network(network_options(config["features"]))
    if "build_descriptions" in stages and needs_wordnet(classes):
        findings += check_wordnet(config["descriptions"]["wordnet"])
    if "embed_words" in stages:
        findings += check_vectors(config["words"]["source"])
    if "import_features" in stages:
        given = config["source"]["features"]
        findings += [
            f"source.features.{name} is {path}, which does not exist; check the path."
            for name, path in given.items()
            if path and not Path(path).is_file()
        ]
    elif "train_run" in stages:
        findings += _check_layers(config)
    return findings


def _check_network(options: FeatureOptions) -> list[str]:
    """Check the weights; torchvision's are downloaded now, so that a missing network stops nothing halfway."""
    findings = check_weights(options)
    if findings or options.weights_kind != "torchvision" or is_downloaded(options, WEIGHTS_FOLDER):
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
