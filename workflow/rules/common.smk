# Shared by all files of rules. The checked config, the layout, and functions that name files.
#
# In:  the config of the command line.
# Out: CONFIG, CLASSES, LAYOUT and helper functions; no rules.

import atexit
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

BASE = Path(workflow.basedir)
sys.path.insert(0, str(BASE / "src"))

from parley.claims.entries import (
    conversations_of,
    evaluated_runs,
    intervened_runs,
    takes_classifier,
)
from parley.config import classifier_layer, run_settings
from parley.digest import Sources, stage_digest
from parley.errors import ParleyError
from parley.experiment import attending_runs, read_experiment
from parley.figures.names import FIGURES_OF_RUN, figure_names
from parley.glosses import needs_wordnet
from parley.layout import (
    CACHE_FOLDER,
    FETCH_KEYS_OF_CONTENT,
    WEIGHTS_FOLDER,
    WORDS_FOLDER,
    grouped,
)
from parley.preflight import check_inputs
from parley.presence import begin, sweep
from parley.sources.base import file_fingerprint

try:
    EXPERIMENT = read_experiment(config, BASE / "workflow/schemas/config.schema.yaml")
except ParleyError as error:
    raise WorkflowError(*error.findings) from None

CONFIG, CLASSES, LAYOUT = EXPERIMENT
# Scripts read from snakemake.config only what should rerun nothing when it changes: what decides no
# content (how fast, on which device), and what the path of their output is a hash of (another value
# is another file, and two spellings of one value are the same file). All else reaches them by params.
config.update(CONFIG)
KIND = CONFIG["source"]["kind"]
FROM_IMAGES = KIND != "features"
DROPS_CLASSES = FROM_IMAGES and CONFIG["fetch"]["on_shortage"] == "drop_class"
COMPARES_LOOKS = FROM_IMAGES and CONFIG["fetch"]["near_copies"] != "ignore"
# How many of the jobs that may be on the web at once a fetch is; profiles/default allows one, so that
# fetch.per_host holds for all jobs of a machine together.
OVER_THE_NET = 1 if KIND in ("url_list", "manifest") else 0
RUNS = [run["name"] for run in CONFIG["runs"]]
SEEDS = CONFIG["seeds"]
# Whether it is known what classes are made of.
HAS_ATTRIBUTES = KIND == "world" or bool(CONFIG["evaluation"]["attributes"])
# Whose attention is kept.
ATTENDING_RUNS = (
    attending_runs(CONFIG) if CONFIG["evaluation"]["keep_attention"] else []
)
CLAIMED = CONFIG["claims"]
# What the linear classifier looks at; none where only maps are stored.
CLASSIFIER_LAYER = classifier_layer(CONFIG)
FIGURES = figure_names(RUNS)
PARSED_CODE = Sources(".snakemake/parley/sources.json")
LOGS = f"results/{LAYOUT.experiment}/logs"
BENCHMARKS = f"results/{LAYOUT.experiment}/benchmarks"


wildcard_constraints:
    run="[A-Za-z0-9][A-Za-z0-9._-]*",
    seed="[0-9]+",
    part="train|dev|test|ood|transfer",


def class_values(*fields):
    """The class set as plain values, with the given columns alone."""
    return [{field: getattr(one, field) for field in fields} for one in CLASSES]


def code(script):
    """Digest of a script and of the modules it uses: an edit reruns the stage, a comment does not."""
    return stage_digest(BASE / "workflow/scripts" / f"{script}.py", PARSED_CODE)


def result(name):
    """Path of a file of this experiment."""
    return LAYOUT.result(name)


def run_file(name):
    """Path, with wildcards, of a file of one run and seed."""
    return LAYOUT.result(f"runs/{{run}}/{{seed}}/{name}")


def every_run(name):
    """Paths of a file of every run and seed."""
    return expand(run_file(name), run=RUNS, seed=SEEDS)


def class_files(kind, suffix):
    """Paths of every class's tar, manifest, hashes or features."""
    names = [one.name for one in CLASSES]
    if kind == "features":
        return [LAYOUT.feature_file(name) for name in names]
    if kind == "hash":
        return [LAYOUT.hash_file(name) for name in names]
    return [LAYOUT.image(f"{name}.{suffix}") for name in names]


def realised_classes():
    """Path of the class set as it turned out, where that may be another than the config's."""
    # Only then: otherwise descriptions would wait for images that they do not need.
    return result("classes.tsv") if DROPS_CLASSES else []


def settled_classes():
    """Path of the class set as it turned out; none where features are given ready-made."""
    return result("classes.tsv") if FROM_IMAGES else []


def class_attributes():
    """Path of what classes are made of, where that is known."""
    return result("attributes.tsv") if HAS_ATTRIBUTES else []


def checked_ks():
    """The K of accuracy@K that the classes left must allow, where some may be dropped."""
    evaluation = CONFIG["evaluation"]
    return (
        {name: evaluation[name] for name in ("k", "k_unseen")} if DROPS_CLASSES else {}
    )


def in_words(group):
    """A group of classes, for a message."""
    return (
        group[0]
        if len(group) == 1
        else f"{len(group)} classes, {group[0]} to {group[-1]}"
    )


def image_files():
    """Paths of every class's tar and manifest, where there are images."""
    return (
        class_files("image", "tar") + class_files("image", "tsv") if FROM_IMAGES else []
    )


def part_files(parts=None):
    """Paths of the HDF5 files of the given parts, or of all."""
    return [result(f"{part}.hdf5") for part in parts or LAYOUT.parts]


def parts_of_seen_classes():
    """The parts of classes that are trained on."""
    return [part for part in LAYOUT.parts if part in ("train", "dev", "test")]


def parts_intervened_on():
    """The parts on which runs are played with their messages disturbed: held out, of seen and of unseen classes."""
    return [part for part in LAYOUT.parts if part in ("test", "ood")]


def question_names():
    """What every run is asked: each part, and unseen classes also alone."""
    unseen = [part for part in LAYOUT.parts if part in ("ood", "transfer")]
    return [*LAYOUT.parts, *(f"{part}_alone" for part in unseen)]


def files_by_question(kind):
    """Paths, with wildcards, of one run's file of a kind for each question; the test part's go by the plain name."""
    names = ["" if name == "test" else f".{name}" for name in question_names()]
    return [run_file(f"{kind}{name}.hdf5") for name in names]


def message_files():
    """Paths, with wildcards, of one run's conversations."""
    return files_by_question("messages")


def held_out_message_files():
    """Paths, with wildcards, of one run's conversations about images that it was not trained on."""
    return [path for path in message_files() if not path.endswith(".train.hdf5")]


def held_out_parts():
    """Parts of images that nothing is trained on."""
    return [part for part in LAYOUT.parts if part != "train"]


def attention_files():
    """Paths, with wildcards, of what one run's agents attended to."""
    return files_by_question("attention")


def all_attention():
    """Paths of what agents attended to, of every run and seed that attends, where that is kept."""
    return expand(attention_files(), run=ATTENDING_RUNS, seed=SEEDS)


def all_messages():
    """Paths of the conversations of every run and seed."""
    return expand(message_files(), run=RUNS, seed=SEEDS)


def claimed_messages():
    """Paths of the conversations that claims are about, of every seed."""
    return [
        LAYOUT.result(
            f"runs/{run}/{seed}/messages{'' if part == 'test' else f'.{part}'}.hdf5"
        )
        for run, part in conversations_of(CLAIMED)
        for seed in SEEDS
    ]


def run_name(wildcards):
    """Which run a file is about."""
    return {
        "experiment": LAYOUT.experiment,
        "run": wildcards.run,
        "seed": int(wildcards.seed),
    }


def seed_groups():
    """The seeds that each training job takes; "{seed}" alone where a job takes one, whichever."""
    size = CONFIG["seeds_per_job"]
    if size == 1:
        return [["{seed}"]]
    seeds = [str(seed) for seed in SEEDS]
    groups = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    return [["{seed}"]] if max(map(len, groups)) == 1 else groups


def files_of_seeds(name, seeds):
    """Paths, with the run as a wildcard, of a file of each of some seeds."""
    return [LAYOUT.result(f"runs/{{run}}/{seed}/{name}") for seed in seeds]


def run_configs(seeds):
    """A function of the wildcards: all that decides a run with each of some seeds, as their config.json show it."""

    def configs(wildcards):
        numbers = [wildcards.seed] if seeds == ["{seed}"] else seeds
        about = {"experiment": LAYOUT.experiment, "run": wildcards.run}
        rest = {
            "k": CONFIG["evaluation"]["k"],
            **run_settings(CONFIG, wildcards.run),
        }
        return [{**about, "seed": int(number), **rest} for number in numbers]

    return configs


def other_descriptions():
    """Path of the descriptions read in evaluation, where they are others than in training."""
    return CONFIG["descriptions"]["evaluation"] or []


def both_ks():
    """The K of accuracy@K among seen classes, and where unseen ones are candidates too."""
    return [
        CONFIG["evaluation"]["k"],
        CONFIG["evaluation"]["k_unseen"] or CONFIG["evaluation"]["k"],
    ]


def run_memory_mb(wildcards):
    """Memory of a run's jobs: torch, and with visual attention the largest part's maps, where they fit in 3 GiB."""
    preset = run_settings(CONFIG, wildcards.run)["game"]["preset"]
    per_class = max(max(parts.values()) for parts in CONFIG["split"].values())
    # 512 channels of 8 x 8 cells in float32, the largest map of the networks at hand.
    map_mb = len(CLASSES) * per_class * 512 * 64 * 4 / 1e6
    return round(3000 + (min(map_mb, 3300) if preset.endswith("Attention") else 0))


def group_memory_mb(seeds):
    """A function of the wildcards: memory of a job that trains several seeds side by side."""

    def memory(wildcards):
        # What a batch is worked on in grows with the seeds; the parts are there once.
        return run_memory_mb(wildcards) + 500 * (seeds - 1)

    return memory


def run_gpus(wildcards):
    """GPUs that a training job asks for."""
    return gpus(run_settings(CONFIG, wildcards.run)["training"]["device"])


def drawn_world(wildcards):
    """Folder of the drawn world; empty where the source is another."""
    return LAYOUT.world


def given_features(wildcards):
    """Path of a part's ready-made features."""
    return CONFIG["source"]["features"][wildcards.part]


def wordnet_content():
    """Digest of WordNet's nouns, where glosses are read from a folder."""
    nouns = Path(CONFIG["descriptions"]["wordnet"]) / "data.noun"
    return file_fingerprint(nouns) if needs_wordnet(CLASSES) and nouns.is_file() else ""


def word_vectors_content():
    """Digest of a local file of word vectors; a URL speaks for itself."""
    path = Path(CONFIG["words"]["source"])
    return file_fingerprint(path) if path.is_file() else ""


def table_files():
    """Paths of the tables for a paper."""
    names = [table["name"] for table in CONFIG["tables"]]
    return expand(result("tables/{name}.{suffix}"), name=names, suffix=["md", "tex"])


def reported_figure(name):
    """A figure's file, marked for `snakemake --report` with its caption."""
    kind = next((kind for kind in FIGURES_OF_RUN if name.startswith(f"{kind}-")), name)
    run = name.removeprefix(f"{kind}-") if kind != name else "all"
    return report(
        result(f"figures/{name}.svg"),
        caption=f"../report/{kind}.rst",
        category=kind.replace("-", " "),
        labels={"run": run},
    )


def gpus(device):
    """GPUs that a job on the given device asks for."""
    return 0 if device == "cpu" else 1


def check_before_work():
    """Stop before any job where an input of a stage that is about to run cannot be had, or another run is in the way."""
    jobs = list(workflow.dag.needrun_jobs())
    apart = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    stages = {job.rule.name for job in jobs}
    findings = check_inputs(CONFIG, CLASSES, stages, own_environments=apart)
    if findings:
        raise WorkflowError(*findings)
    begin_work(jobs)


def begin_work(jobs):
    """Hold the files of the jobs against other runs until this process ends, and tidy up after killed ones."""
    read = {str(path) for job in workflow.dag.jobs for path in job.input}
    written = {str(path) for job in jobs for path in job.output}
    try:
        held, alone = begin("snakemake", read, written)
    except ParleyError as error:
        raise WorkflowError(*error.findings) from None
    atexit.register(held.close)
    if alone:
        sweep({*(Path(path).parent for path in written), *Path(CACHE_FOLDER).glob("*")})
