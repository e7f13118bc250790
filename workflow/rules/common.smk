# Shared by all files of rules. The checked config, the layout, and functions that name files.
#
# In:  the config of the command line.
# Out: CONFIG, CLASSES, LAYOUT and helper functions; no rules.

import atexit
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod, Quietness

BASE = Path(workflow.basedir)
sys.path.insert(0, str(BASE / "src"))

from parley.config.claim_entries import (
    conversations_of,
    evaluated_runs,
    intervened_runs,
    takes_classifier,
)
from parley.config.schema import classifier_layer, run_settings
from parley.runtime.code_digest import (
    BOOK,
    SOURCES,
    Sources,
    save_parts,
    stage_digest,
    stage_parts,
)
from parley.core.errors import ParleyError
from parley.config.experiment import attending_runs, read_experiment
from parley.report.figures.registry import (
    OVERVIEW,
    figure_names,
    run_figure_names,
)
from parley.game.settings import result_affecting
from parley.text.glosses import needs_wordnet
from parley.config.memory_budget import endings_mb, memory_mb
from parley.config.paths import (
    CACHE_FOLDER,
    FETCH_KEYS_OF_CONTENT,
    WEIGHTS_FOLDER,
    WORDS_FOLDER,
    grouped,
)
from parley.config.preflight import check_inputs
from parley.core.files import remove_all_leftovers
from parley.runtime.run_lock import acquire
from parley.provenance.commits import commit_of
from parley.provenance.records import COMMIT
from parley.dataset.sources.base import file_fingerprint

try:
    EXPERIMENT = read_experiment(config, BASE / "workflow/schemas/config.schema.yaml")
except ParleyError as error:
    raise WorkflowError(*error.findings) from None

# For the records that jobs leave.
os.environ[COMMIT] = commit_of(BASE)
CONFIG, CLASSES, LAYOUT = EXPERIMENT
DOMAIN_OF = {one.name: one.domain for one in CLASSES}
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
# What a job that holds conversations takes besides, which grows with the square of the classes.
CONVERSATIONS_MB = memory_mb(CONFIG, CLASSES)
ENDINGS_MB = endings_mb(CONFIG, CLASSES)
FIGURES = figure_names(RUNS)
# Rules that the source's files come from: experiments share them, so that they need not run for this one.
SOURCE_STAGES = (
    ["fetch_images", "extract_features"] + ["draw_world"] * (KIND == "world")
    if FROM_IMAGES
    else []
)
# Files of the targets `metrics`, `claims`, `export` and `tables` that the report needs too.
MADE_BY_ALL = ("summary.csv", "summary.json", "language.csv", "config.yaml")
PARSED_CODE = Sources(SOURCES)
# Of each script that a rule runs.
DIGESTS = {}
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
    path = BASE / "workflow/scripts" / f"{script}.py"
    DIGESTS[path] = stage_digest(path, PARSED_CODE)
    return DIGESTS[path]


def remember_code():
    """Write down what the digests are made of, so that `parley status` can name what changed."""
    try:
        save_parts(
            BOOK,
            {
                digest: stage_parts(path, PARSED_CODE)
                for path, digest in DIGESTS.items()
            },
        )
    except OSError as error:
        print(f"{BOOK} cannot be written: {error}", file=sys.stderr)


def result(name):
    """Path of a file of this experiment."""
    return LAYOUT.result(name)


def run_file(name):
    """Path, with wildcards, of a file of one run and seed."""
    return LAYOUT.result(f"runs/{{run}}/{{seed}}/{name}")


def every_run(name):
    """Paths of a file of every run and seed."""
    return expand(run_file(name), run=RUNS, seed=SEEDS)


def class_files(suffix):
    """Paths of every class's tar, manifest, hashes or features; of a large class set, the shards that hold them."""
    return LAYOUT.class_files(suffix, [one.name for one in CLASSES])


def written_files(suffix, group):
    """Outputs of a job for a group of classes: a file each, or their shard."""
    paths = LAYOUT.class_files(suffix, group)
    return [directory(path) for path in paths] if LAYOUT.shard_of else paths


def domains_of(group):
    """What classes are for, by name, for a job of a group; of all classes, which a group may grow to be."""
    return {name: DOMAIN_OF[name] for name in group} if LAYOUT.shard_of else DOMAIN_OF


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
    """Paths of every class's tar and manifest, where there are images; a shard holds both."""
    paths = class_files("tar") + class_files("tsv") if FROM_IMAGES else []
    return list(dict.fromkeys(paths))


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
        settings = run_settings(CONFIG, wildcards.run)
        rest = {
            "k": CONFIG["evaluation"]["k"],
            "game": settings["game"],
            "training": result_affecting(settings["training"]),
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


def run_memory_and(besides_mb):
    """A function of the wildcards: memory of a run's job that takes so much besides."""
    return lambda wildcards: run_memory_mb(wildcards) + besides_mb


def drawn_disk_mb():
    """Disk of the drawn world: its pictures as if nothing could be compressed."""
    world = CONFIG["source"]["world"]
    pixels = len(CLASSES) * world["images_per_class"] * world["size_px"] ** 2
    return round(1000 + pixels * 3 / 1e6)


def wanted_images(names):
    """How many images of some classes are fetched at most, the margin among them."""
    planned = sum(sum(CONFIG["split"][DOMAIN_OF[name]].values()) for name in names)
    return planned * (1 + CONFIG["fetch"]["margin"])


def fetch_disk_mb(names):
    """Disk of a fetch: every image in the cache and in the tar, at twice the mean of ImageNet's photographs, 0.11 MB."""
    return round(1000 + wanted_images(names) * 2 * 0.22)


def features_disk_mb(names):
    """A function of the inputs: disk of extracted features, beside the images."""

    def disk(wildcards, input):
        # A map of 512 x 8 x 8, the pooled vector and 1,000 logits in float32: all that the 2017 code reads.
        return round(
            1000 + input.size_mb + wanted_images(names) * 4 * (512 * 65 + 1000) / 1e6
        )

    return disk


def most_checkpoints(training):
    """How many checkpoints a run leaves at most, where features are made here."""
    seen = sum(one.domain == "in" for one in CLASSES)
    images = seen * CONFIG["split"]["in"]["train"]
    epoch = max(1, images // training["batch_size"])
    every = training["dev_every"] * (epoch if training["dev_unit"] == "epochs" else 1)
    return 1 + training["steps"] // every


def training_disk_mb(seeds):
    """A function of the wildcards and inputs: disk of a training's checkpoints, beside what it reads."""

    def disk(wildcards, input):
        training = run_settings(CONFIG, wildcards.run)["training"]
        # 2.9 MB each with the bundled world's agents; the paper's have twice the message and more words.
        return round(1000 + input.size_mb + seeds * most_checkpoints(training) * 6)

    return disk


def run_gpus(wildcards):
    """GPUs that a training job asks for."""
    return gpus(run_settings(CONFIG, wildcards.run)["training"]["device"])


def drawn_world(wildcards):
    """Folder of the drawn world; empty where the source is another."""
    return LAYOUT.world


def drawn_folders(names):
    """Paths of the folders of drawn pictures of some classes; none of other sources."""
    return [f"{LAYOUT.world}/{name}" for name in names] if KIND == "world" else []


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


def files_beside_report():
    """Paths of what the report links to and every experiment has, so that it is there by then."""
    of_images = ["plan.tsv", "splits.tsv", "data_card.md"] if FROM_IMAGES else []
    return [result(name) for name in ["config.yaml", "browser.html", *of_images]]


# Jobs leave their records beside what they make, and no record goes into an object store.
SHARES_DISK = not workflow.storage_settings.default_storage_provider

if workflow.storage_settings.default_storage_provider == "s3":
    from snakemake_storage_plugin_s3 import StorageObject

    def exists_now(self, known=StorageObject.exists):
        """Ask again whether a folder is there. Version 0.3.6 of the plugin holds one that was missing for missing for
        good, so that what a second try makes after a failed one would end all that runs.
        """
        if not self._is_dir:
            self._is_dir = None
        return known(self)

    StorageObject.exists = exists_now


def promised_files():
    """Paths of what `all` makes, but for the file that tells where the others come from."""
    return [path for path in rules.all.input if path != result("provenance.json")]


def requested_files():
    """Paths and times of files that only a target of their own makes, where they are there."""
    targets = (rules.metrics, rules.claims, rules.export, rules.tables)
    paths = {str(path) for target in targets for path in target.input}
    alone = sorted(paths - {result(name) for name in MADE_BY_ALL})
    return [[path, os.stat(path).st_mtime_ns] for path in alone if os.path.exists(path)]


def reported_figure(name, run="all"):
    """A figure's file, marked for `snakemake --report` with its caption."""
    kind = name.removesuffix(f"-{run}")
    return report(
        result(f"figures/{name}.svg"),
        caption=f"../report/{kind}.rst",
        category="Figures",
        subcategory=kind.replace("-", " ").capitalize(),
        labels={"figure": kind.replace("-", " "), "run": run},
    )


def gpus(device):
    """GPUs that a job on the given device asks a cluster for; none is no request, which 0 would be on Kubernetes."""
    # Not for auto: where there is no GPU, a cluster refuses the job or lets it wait for ever.
    return 1 if device == "cuda" else None


def check_before_work():
    """Stop before any job where an input of a stage that is about to run cannot be had, or another run is in the way."""
    jobs = list(workflow.dag.needrun_jobs())
    apart = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    stages = {job.rule.name for job in jobs}
    findings = check_inputs(CONFIG, CLASSES, stages, own_environments=apart)
    if findings:
        raise WorkflowError(*findings)
    begin_work(jobs)


def look_when_a_job_is_done():
    """Have Snakemake choose jobs when one is done, and not besides.

    To keep to so many jobs a second, version 9.27 looks at all that waits again a second after each look; each job that is
    done begins one more such round. Where 300 jobs wait this takes half a core (benchmarks/waiting_jobs.py).
    """
    workflow.scheduler.job_rate_limiter = None


def begin_work(jobs):
    """Hold the files of the jobs against other runs until this process ends, and tidy up after killed ones."""
    read = {str(path) for job in workflow.dag.jobs for path in job.input}
    written = {str(path) for job in jobs for path in job.output}
    try:
        lock, alone = acquire("snakemake", read, written)
    except ParleyError as error:
        raise WorkflowError(*error.findings) from None
    atexit.register(lock.close)
    if alone:
        remove_all_leftovers(
            {*(Path(path).parent for path in written), *Path(CACHE_FOLDER).glob("*")}
        )


def told_at_the_end(tell):
    """Tell something on the terminal when all is over, whatever comes of it: the run has ended as it has."""
    if Quietness.ALL in workflow.output_settings.quiet:
        return
    try:
        from parley.core.terminal import console

        tell(console(sys.stderr, colour=not workflow.output_settings.nocolor))
    except Exception as error:
        print(
            f"What was made cannot be shown here: {type(error).__name__}: {error}",
            file=sys.stderr,
        )


def tell_summary(on):
    """Show the table of results, where the report was among what was asked for and so is of this config."""
    from parley.analysis.summary_table import show_summary

    made = {path for job in workflow.dag.jobs for path in job.output}
    if result("report.html") in made and result("summary.json") in made:
        show_summary(result(""), on)


def tell_failures(on):
    """Say which jobs failed and where their logs are."""
    from parley.runtime.job_logs import FailedJob, failure_lines
    from parley.core.terminal import literal

    # A group of jobs is one to the scheduler.
    jobs = [
        job
        for failed in workflow.scheduler.failed
        for job in (failed if failed.is_group() else [failed])
    ]
    failed = [
        FailedJob(
            " ".join([job.rule.name, *map(str, job.wildcards)]), next(iter(job.log), "")
        )
        for job in jobs
    ]
    for line in failure_lines(sorted(failed)):
        on.print(literal(line, "red"), soft_wrap=True)
