"""Check the inputs of the rules about to run, before any job starts."""

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from parley.config.memory_budget import check_disk
from parley.config.options import network_options, source_options
from parley.config.paths import DOMAIN_OF_PART, WEIGHTS_FOLDER
from parley.config.run_settings import needed_layers, settings_of_runs
from parley.config.schema import Config
from parley.core.errors import ParleyError
from parley.core.formats import base_of
from parley.dataset.candidates import shortages
from parley.dataset.class_set import ImageClass
from parley.dataset.sources import kind_of, open_source
from parley.dataset.sources.archive import IN_ARCHIVE
from parley.dataset.split_plan import check_topk
from parley.features.options import ROLES, check_weights
from parley.interaction.eval_sets import UNSEEN_PARTS
from parley.text.descriptions import Description, read_descriptions, stop_words_file
from parley.text.encoders import check_encoder
from parley.text.glosses import check_glosses, needs_wordnet
from parley.text.pretrained_vectors import check_vectors
from parley.training.tracking import TRACKERS, missing_package

ATTRIBUTE_FILES = ("attributes", "attribute_classes", "attribute_names")
KNOWN_NETWORKS = [
    (f"resnet{depth}", weights) for depth in (18, 34, 50, 101, 152) for weights in ("random", "IMAGENET1K_V1")
]
"""Pairs of backbone and weights that torchvision has. They are not looked up unless they may have to be downloaded,
because this takes seconds."""


def check_inputs(
    config: Config, classes: Sequence[ImageClass], stages: Set[str], own_environments: bool = False, fetch: bool = True
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
    fetch
        Whether to download published weights if they are missing.
    """
    findings: list[str] = []
    stages = {base_of(stage) for stage in stages}
    if stages & {"download_urls", "download_dataset", "list_archives", "select_classes"}:
        findings += _check_source(config, classes)
    elif "write_data_card" in stages and kind_of(config["source"]["kind"]).states_rights:
        findings += open_source(source_options(config["source"])).check(classes)
    if "extract_features" in stages:
        findings += _check_network(config, fetch)
    if "build_descriptions" in stages and needs_wordnet(classes):
        findings += check_glosses(classes, config["descriptions"]["wordnet"], config["descriptions"]["gloss"])
    if "extract_messages" in stages:
        findings += check_disk(config, classes, f"results/{config['experiment']}")
    if "embed_words" in stages:
        findings += check_vectors(config["words"]["source"]) + _check_words(config, classes)
    if "encode_descriptions" in stages:
        findings += check_encoder(config["descriptions"]["encoder"], own_environments)
    if "write_attributes" in stages and config["evaluation"]["attributes"]:
        findings += _check_attributes(config, classes)
    if "train_run" in stages:
        findings += _check_given(config) if config["source"]["kind"] == "features" else _check_layers(config)
        findings += [] if own_environments else _check_trackers(config)
    return findings


def _check_source(config: Config, classes: Sequence[ImageClass]) -> list[str]:
    options = source_options(config["source"])
    source = open_source(options)
    findings = source.check(classes)
    listed = source.listable(classes) if findings else classes
    if not listed or not source.listable_before_jobs:
        return findings
    try:
        listing = source.listing(listed, None)
    except ParleyError as error:
        return findings + error.findings
    return findings + shortages(listing, options, classes, config["split"], config["fetch"]["on_shortage"])


def _check_network(config: Config, fetch: bool) -> list[str]:
    """Check the network and, if `fetch`, download its weights now, so that no job fails for lack of them."""
    try:
        options = network_options(config["features"])
        findings = check_weights(options)
        is_known = (options.backbone, options.weights) in KNOWN_NETWORKS
        if findings or (is_known and (not fetch or options.weights == "random")):
            return findings
        # Imported here because it loads torch, which other checks and most dry runs do not need.
        from parley.features.weights import fetch_weights

        fetch_weights(options, WEIGHTS_FOLDER, fetch, config["fetch"]["allow_private_hosts"])
    except ParleyError as error:
        return error.findings
    return []


def _check_words(config: Config, classes: Sequence[ImageClass]) -> list[str]:
    """Return an error message for each given description without a word that the Receiver can read."""
    if missing_files(config):  # `read_experiment` reports them.
        return []
    # Imported here because it loads numpy.
    from parley.text.word_vectors import description_words, no_words_message, stop_words_of

    given = [Description(0, one.name, one.description) for one in classes if one.description]
    files = [config["descriptions"]["evaluation"], config["source"]["features"]["descriptions"]]
    try:
        stop_words = stop_words_of(config["words"]["stop_words"])
        given += [row for path in files if path for row in read_descriptions(path)]
    except ParleyError as error:
        return error.findings
    return [no_words_message(one, stop_words) for one in given if not description_words(one.text, stop_words)]


def _check_attributes(config: Config, classes: Sequence[ImageClass]) -> list[str]:
    # Imported here because it loads numpy.
    from parley.dataset.attributes import AttributeFiles

    files = AttributeFiles.of_config(config["evaluation"])
    try:
        if not files.is_in_archive:  # It may have to be downloaded first.
            files.read([one.name for one in classes])
    except ParleyError as error:
        return error.findings
    return []


def _check_layers(config: Config) -> list[str]:
    stored = set(config["features"]["layers"])
    findings = [
        f"Run {run!r} needs the layers {', '.join(sorted(needed))}, "
        f"but features.layers has {', '.join(sorted(stored))}; add the missing layers."
        for run, needed in needed_layers(config).items()
        if not needed & set(ROLES) <= stored
    ]
    backbone = config["features"]["backbone"]
    if backbone.startswith("open_clip/"):
        findings += [
            f"Run {run!r} needs logits, which {backbone} does not have; set game.attention_context to false, "
            "and game.image_layer to auto."
            for run, needed in needed_layers(config).items()
            if "logits" in needed
        ]
    return findings


def _check_given(config: Config) -> list[str]:
    """Return an error message for each problem of the given feature files, or of a k, given their classes."""
    # Imported here because it loads h5py.
    from parley.features.storage import examine_features

    layers = sorted({layer for needed in needed_layers(config).values() for layer in needed})
    given = {part: path for part, path in config["source"]["features"].items() if part != "descriptions"}
    present = {part: path for part, path in given.items() if path and Path(path).is_file()}
    examined = {part: examine_features(path, layers) for part, path in present.items()}
    if problems := [problem for one in examined.values() for problem in one.problems]:
        return problems
    if "train" not in examined:  # `read_experiment` reports it.
        return []
    train = examined["train"]
    ids = {part: one.label_ids for part, one in examined.items()}
    unseen = {DOMAIN_OF_PART[part]: len(ids.get(part, set()) - train.label_ids) for part in UNSEEN_PARTS}
    return [
        f"{present[part]}: {layer} has {one.widths[layer]} values per image or cell, but that of "
        f"{present['train']} has {train.widths[layer]}; give feature files of one network."
        for part, one in examined.items()
        for layer in layers
        if one.widths[layer] != train.widths[layer]
    ] + check_ks(config, {"in": len(train.label_ids), **unseen})


def _check_trackers(config: Config) -> list[str]:
    """Return an error message for each package that runs need to report their metrics and that is not installed."""
    findings = []
    for name in ("tensorboard", *TRACKERS):
        wanted = [run for run, settings in settings_of_runs(config).items() if settings["training"].get(name)]
        missing = missing_package(name) if wanted else ""
        if missing:
            value = "true" if name == "tensorboard" else "set"
            findings.append(f"Run {', '.join(wanted)} has `training.{name}: {value}`, {missing}")
    return findings


def check_ks(config: Config, classes: Mapping[str, int]) -> list[str]:
    """Return an error message for each k of accuracy@k larger than the number of candidates, by classes per domain."""
    ks = {run["training"]["k"] for run in settings_of_runs(config).values()} - {None}
    return check_topk(config["evaluation"], classes) + [
        f"Config: training.k is {k}, but there are only {classes['in']} in-domain classes; "
        f"set it to {classes['in']} or less, or to null to use evaluation.k."
        for k in sorted(ks)
        if k > classes["in"]
    ]


def missing_files(config: Config) -> list[str]:
    """Return an error message for each file that the config gives and that does not exist or cannot be read."""
    # Checked here because Snakemake reports "Nothing to be done" if an input is missing but its outputs exist.
    source = config["source"]
    imported = source["features"] if source["kind"] == "features" else {}
    given = {f"source.features.{name}": path for name, path in imported.items()} | {
        "descriptions.evaluation": config["descriptions"]["evaluation"],
        "words.stop_words": stop_words_file(config["words"]["stop_words"]),
        **{f"evaluation.{key}": config["evaluation"][key] for key in ATTRIBUTE_FILES},
    }
    matrix, *lists = (f"evaluation.{key}" for key in ATTRIBUTE_FILES)
    alone = [
        f"Config: {key} belongs to a matrix, {matrix}, which is not set; set {', '.join([matrix, *lists])}."
        for key in lists
        if given[key] and not given[matrix]
    ]
    inside = {key: path for key, path in given.items() if str(path).startswith(IN_ARCHIVE)}
    if inside and source["kind"] != "archive":
        alone += [
            f"Config: {key} is {path}, a file in the source's archive, but source.kind is {source['kind']}; "
            "give the path of a file."
            for key, path in inside.items()
        ]
    return alone + [
        f"Config: {key} is {path}, which {problem}."
        for key, path in given.items()
        if path and key not in inside and (problem := _problem_of(Path(path)))
    ]


def _problem_of(path: Path) -> str:
    if not path.is_file():
        return "is not a file; check the path"
    return "" if os.access(path, os.R_OK) else "cannot be read; check its permissions"
