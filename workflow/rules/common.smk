# Shared by all rules: the checked config, and objects that return paths, params and resources.
#
# In:  the config of the command line; BASE, the folder of the Snakefile.
# Out: CONFIG, CLASSES, PATHS, RUN_PATHS, VALUES, RESOURCES, FETCH_GROUPS; no rules.

import os
import re
import sys
from functools import partial
from pathlib import Path

from snakemake.logging import logger

sys.path.insert(0, str(BASE / "src"))

from parley.config.claim_entries import conversations_of, evaluated_runs
from parley.config.claim_entries import intervened_runs, takes_classifier
from parley.config.experiment import read_experiment
from parley.config.input_checks import check_inputs
from parley.config.grid import planning_notice
from parley.config.paths import CACHE_FOLDER, WEIGHTS_FOLDER, WORDS_FOLDER
from parley.config.paths import RunPaths, seed_groups, seeds_label
from parley.config.resources import RuleResources, extraction_threads, gpus
from parley.config.rule_inputs import RuleValues, content_digest, group_label
from parley.config.run_settings import classifier_layers, has_classifier
from parley.core.errors import ParleyError
from parley.core.formats import REUSED, counted
from parley.dataset.sources.base import ARCHIVES_FOLDER
from parley.provenance.job import commit_of
from parley.provenance.records import COMMIT
from parley.report.figures.registry import OVERVIEW, figure_names, run_figure_names
from parley.runtime import hooks, snakemake_patches
from parley.runtime.code_digest import SOURCES, Sources, stage_digest
from parley.text.glosses import MOST_SHOWN, gloss_lines, needs_wordnet

try:
    EXPERIMENT = read_experiment(
        config,
        BASE / "workflow/schemas/config.schema.yaml",
        # As a module, Parley gets its config from another workflow, whose settings these are.
        (
            []
            if workflow.modifier.parent_modifier
            else workflow.config_settings.config_args or []
        ),
    )
except ParleyError as error:
    raise hooks.refusal(workflow, error.findings) from None

if workflow.is_main_process:
    for sentence in planning_notice(
        len(EXPERIMENT.config["runs"]), len(EXPERIMENT.config["seeds"])
    ):
        logger.info(sentence)

os.environ[COMMIT] = commit_of(BASE)  # For the records that jobs leave.
CONFIG, CLASSES, PATHS = EXPERIMENT
# Scripts read from snakemake.config only settings that must not cause a rerun: speed, device, and those that are
# hashed in the paths of their outputs. All other settings are params.
config.update(CONFIG)
SEEDS = CONFIG["seeds"]
RUNS = [run["name"] for run in CONFIG["runs"]]
RUN_PATHS = RunPaths(PATHS, RUNS, SEEDS)
SHARES_DISK = snakemake_patches.shares_disk(workflow)
VALUES = RuleValues(EXPERIMENT, SHARES_DISK)
PLUGIN_FIGURES = [figure.name for figure in VALUES.plugins.of_kind("figure")]
# The parts of plug-ins that each script uses, by run and file.
config["plugin_parts"] = VALUES.plugins.by_stage()
config["class_digests"] = VALUES.class_digests  # Filled while the rules are defined.
FETCH_GROUPS = (  # The classes of each job that fetches images.
    VALUES.job_groups("tar", CONFIG["fetch"]["classes_per_job"])
    if VALUES.from_images
    else {}
)
RESOURCES = RuleResources(CONFIG, CLASSES)
INPUT_CHECK = partial(check_inputs, CONFIG, CLASSES)
LOGS, BENCHMARKS = PATHS.result("logs"), PATHS.result("benchmarks")
PARSED_CODE = Sources(SOURCES)
# Each digest of code → the script, and the parts of plug-ins that it uses.
DIGESTS = {}
result, run_file, run_files = PATHS.result, RUN_PATHS.file, RUN_PATHS.of_runs


wildcard_constraints:
    run="[A-Za-z0-9][A-Za-z0-9._-]*",
    seed="[0-9]+",
    part="train|dev|test|ood|transfer",


def code(script):
    """Digest of a script, of the modules that it imports and of the parts of plug-ins that it uses.

    An edit of the code then reruns the stage.
    """
    path = BASE / "workflow/scripts" / f"{script}.py"
    digest = stage_digest(path, PARSED_CODE)
    for each, parts in VALUES.plugins.digests_with(script, digest).items():
        DIGESTS[each] = (path, parts)
    return VALUES.code(script, digest)


def introduction(stages):
    """Describe the rules to be run: the classes whose files are copied, and the glosses of classes."""
    reused = FETCH_GROUPS[REUSED] if f"fetch_images_{REUSED}" in stages else []
    names = (
        f"{', '.join(reused[:MOST_SHOWN])}{', ...' if len(reused) > MOST_SHOWN else ''}"
    )
    copied = [
        f"{counted(len(reused), 'class')} of another image set, whose files are copied: {names}"
    ] * bool(reused)
    return copied + glosses(stages)


def glosses(stages):
    """Return lines that show the classes' glosses, if the rules about to run describe classes by WordNet."""
    if "build_descriptions" not in stages or not needs_wordnet(CLASSES):
        return []
    wordnet, gloss = CONFIG["descriptions"]["wordnet"], CONFIG["descriptions"]["gloss"]
    return gloss_lines(CLASSES, wordnet, gloss, result("descriptions.csv"))


def print_summary(console):
    """Print the table of results; the import takes a second."""
    from parley.analysis.summary_tables import show_summary

    show_summary(result(""), console)
