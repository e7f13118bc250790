"""Read an experiment's config and class set, check both, and compute the paths of its files."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parley.config.claim_entries import lacking_parts
from parley.config.input_checks import check_inputs, check_ks, missing_files
from parley.config.options import network_options, source_options
from parley.config.overrides import with_settings
from parley.config.paths import Paths, paths_of
from parley.config.plugin_parts import PluginParts, with_sources
from parley.config.run_settings import settings_of_runs
from parley.config.schema import Config, read_schema
from parley.config.validation import examine, not_about
from parley.core.errors import Findings, ParleyError
from parley.core.formats import counted
from parley.core.installation import PROJECT
from parley.dataset.class_set import ImageClass, examine_class_set
from parley.dataset.sources import kind_of
from parley.text.encoders import WORDS


class Experiment(NamedTuple):
    """The config, classes and paths of an experiment."""

    config: Config
    classes: list[ImageClass]
    """The class set; empty if the config imports features (`source.kind: features`)."""
    paths: Paths


def read_experiment(raw: Mapping[str, Any], schema: str | Path, settings: Iterable[str] = ()) -> Experiment:
    """Check a config and its class set, and compute the paths of the experiment's files.

    Parameters
    ----------
    raw
        The config as the user wrote it.
    schema
        Path of the config's schema.
    settings
        Settings ``key=value`` of the command line, which override the config.

    Raises
    ------
    ParleyError
        If the config or class set is invalid. The error lists every problem, including those that `check_inputs` finds
        for stages whose files are missing.
    """
    written = read_schema(schema)
    raw = with_settings(raw, settings, written)
    known = with_sources(written, raw)
    config, found, replaced = examine(raw, known)
    findings = Findings()
    findings.extend(found)
    classes, of_classes = _class_set(config or raw)
    findings.extend(of_classes)
    if config is None:
        raise ParleyError(findings.sentences)
    plugins = PluginParts(config)
    findings.extend(not_about(replaced, plugins.findings()))
    # With errors in the class set, its numbers of classes are unknown.
    complete = not of_classes and bool(classes or config["source"]["kind"] == "features")
    paths, found = _paths(config, classes, complete, plugins.source_code())
    findings.extend(not_about(replaced, found))
    if findings.sentences:
        findings.extend(not_about(replaced, check_inputs(config, classes, _unmade(config, paths), True, fetch=False)))
    if paths is None or findings.sentences:
        raise ParleyError(findings.sentences)
    return Experiment(config, classes, paths)


def class_set_path(path: str) -> Path:
    """Return the path of a class set: relative to the working folder or, if it is not there, to the project's."""
    here, shipped = Path(path), PROJECT / path
    return shipped if shipped.is_file() and not here.exists() else here


def _class_set(config: Mapping[str, Any]) -> tuple[list[ImageClass], list[str]]:
    """Return the valid classes of a config's class set, and an error message for each problem of the class set."""
    path, source = config.get("classes"), config.get("source")
    if not isinstance(path, str) or (isinstance(source, dict) and source.get("kind") == "features"):
        return [], []
    try:
        classes, findings = examine_class_set(class_set_path(path))
    except ParleyError as error:
        return [], error.findings
    return classes, findings.sentences


def _paths(
    config: Config, classes: Sequence[ImageClass], complete: bool, own_code: str
) -> tuple[Paths | None, list[str]]:
    """Return the paths of an experiment, None if they cannot be computed, and an error message for each problem.

    Checks that depend on the number of classes or on the splits are skipped if the class set is incomplete.
    """
    findings = missing_files(config)
    if complete and classes:
        counts = Counter(one.domain for one in classes)
        findings += check_ks(config, counts) + _check_batch(config, counts["in"])
    name = Path(config["classes"]).stem if classes else ""
    try:
        network = network_options(config["features"])
        paths = paths_of(config, classes, name, source_options(config["source"], own_code=own_code), network)
    except ParleyError as error:
        return None, findings + error.findings
    return paths, findings + (list(lacking_parts(config["claims"], paths.parts)) if complete else [])


def _check_batch(config: Config, classes: int) -> list[str]:
    """Return an error message for each batch size larger than the training split of `classes` seen classes."""
    each = config["split"]["in"]["train"]
    sizes = {run["training"]["batch_size"] for run in settings_of_runs(config).values()}
    return [
        f"Config: training.batch_size is {size}, but the train split has only {counted(classes * each, 'image')} "
        f"({counted(classes, 'class')} × {counted(each, 'image')}); lower it, or raise split.in.train."
        for size in sorted(sizes)
        if size > classes * each
    ]


def _unmade(config: Config, paths: Paths | None) -> set[str]:
    """Return the stages that `check_inputs` checks and whose files are missing; if `paths` is None, all of them."""
    source = config["source"]
    if source["kind"] == "features":
        return {_text_stage(config)}
    made: dict[str, list[str]] = {}
    if paths is not None:
        made = {
            "select_classes": [paths.plan("candidates.tsv")],
            "extract_features": paths.split_files(),
            "build_descriptions": [paths.result("descriptions.csv")],
            _text_stage(config): [paths.result("words.hdf5")],
            "write_attributes": [paths.result("attributes.tsv")],
        }
    stages = {"select_classes", "extract_features", "build_descriptions", _text_stage(config), "train_run"}
    if config["evaluation"]["attributes"] and not missing_files(config):
        stages.add("write_attributes")
    if not all(source[source["kind"]][key] for key in kind_of(source["kind"]).needs_keys):
        stages.remove("select_classes")  # `examine` has reported the missing key.
    return {stage for stage in stages if not made.get(stage) or not all(Path(path).exists() for path in made[stage])}


def _text_stage(config: Config) -> str:
    return "embed_words" if config["descriptions"]["encoder"] == WORDS else "encode_descriptions"
