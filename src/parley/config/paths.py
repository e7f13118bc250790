"""Paths of an experiment's files, and the groups of classes and seeds that its jobs process.

Both depend only on the config and the class set.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parley.core.files import digest_of
from parley.dataset.class_set import IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER, ImageClass
from parley.dataset.fetch.options import content_settings, read_exclusions
from parley.dataset.sources import SourceOptions, open_source
from parley.dataset.sources.base import Source
from parley.features.options import FeatureOptions, features_id
from parley.interaction.eval_sets import ALONE, UNSEEN_PARTS
from parley.synthetic.attributes import DRAWING

DOMAIN_OF_PART = {
    "train": IN_DOMAIN,
    "dev": IN_DOMAIN,
    "test": IN_DOMAIN,
    "ood": OUT_OF_DOMAIN,
    "transfer": TRANSFER,
}
FEATURES = "resources/features"
"""Folder of all features."""
FEWEST_CLASSES_PER_JOB = 15
"""Default minimum number of classes per job, so that a job runs much longer than its startup takes (scale.md)."""
MOST_JOBS_OF_A_STAGE = 20
"""Maximum number of jobs of a stage that works on groups of classes, unless the config sets `classes_per_job`."""
WEIGHTS_FOLDER = "resources/weights"
"""Folder of torchvision's weights, shared by all experiments."""
WORDS_FOLDER = "resources/words"
"""Folder of downloaded word vectors."""
CACHE_FOLDER = "resources/cache"
"""Cache of fetched files. They are not outputs of a rule, so a rerun never downloads them again."""
MOST_BY_FILE = 1000
"""Maximum number of classes for which there is one file per class. Larger class sets have one folder per shard.

For each path, Snakemake searches all rules and compiles a pattern, and it compares the outputs of a job one by one.
With one file per class, planning the jobs for 21,841 classes took minutes.
"""
SHARDS = 100
"""Maximum number of shards of a class set. A shard is a group of classes whose files are in one folder."""
SEED_WILDCARD = ["{seed}"]
"""Seeds of a rule if each of its jobs works on one seed: Snakemake's wildcard."""


@dataclass(frozen=True)
class Paths:
    """Paths of one experiment, relative to the working folder.

    Attributes
    ----------
    experiment
        Name of the experiment; files not shared with other experiments are in ``results/<experiment>``.
    pool
        Name of the set of images in ``resources/images``, with a hash of everything that affects the images.
    features
        Name of the folder in ``resources/features`` for the network and its preprocessing.
    world
        Folder of the images that a job makes: generated ones, or those of torchvision; empty for other sources.
    url_list
        Path of the list of the source's images; empty if no job of its own makes one.
    parts
        Names of the experiment's splits, in order.
    shard_of
        Shard of each class; empty if the class set has at most `MOST_BY_FILE` classes.
    """

    experiment: str
    pool: str
    features: str
    world: str
    url_list: str
    parts: tuple[str, ...]
    shard_of: Mapping[str, str] = field(default_factory=dict)

    def result(self, name: str) -> str:
        """Return the path of a file in the experiment's results folder."""
        return f"results/{self.experiment}/{name}"

    def plan(self, name: str) -> str:
        """Return the path of a table that determines which images are used, such as ``plan.tsv``."""
        return f"resources/plans/{self.pool}/{name}"

    def class_files(self, suffix: str, names: Iterable[str]) -> list[str]:
        """Return the paths of the given classes' files or, for a large class set, of the folders of their shards.

        Parameters
        ----------
        suffix
            Kind of file: ``tar`` (images), ``tsv`` (manifest), ``hash`` (perceptual hashes) or ``hdf5`` (features).
        names
            Names of the classes.
        """
        folder, ending = self._kept_as(suffix)
        if not self.shard_of:
            return [f"{folder}/{name}.{ending}" for name in names]
        return [f"{folder}/{shard}" for shard in dict.fromkeys(self.shard_of[name] for name in names)]

    def class_outputs(self, suffix: str, names: Iterable[str], directory: Callable[[list[str]], Any]) -> Any:
        """Return a job's outputs for the given classes: their files or, for a large class set, the shard's folder.

        Parameters
        ----------
        suffix, names
            As in `class_files`. For a large class set, ``tsv`` has no output: tars and manifests share a folder.
        directory
            Snakemake's function that marks outputs as folders.
        """
        if not self.shard_of:
            return self.class_files(suffix, names)
        return [] if suffix == "tsv" else directory(self.class_files(suffix, names))

    def shared(self) -> list[str]:
        """Return the files and folders in ``resources`` that the rules make for the experiment and others like it."""
        if not self.pool:
            return []
        folders = [self._kept_as(suffix)[0] for suffix in ("tar", "hash", "hdf5")]
        return [*filter(None, [self.url_list, self.world]), f"resources/plans/{self.pool}", *folders]

    def split_files(self, parts: Iterable[str] | None = None) -> list[str]:
        """Return the paths of the feature files of the given splits, or of all splits if `parts` is None."""
        return [self.result(f"{part}.hdf5") for part in (self.parts if parts is None else parts)]

    @property
    def seen_parts(self) -> list[str]:
        """Names of the splits of the seen classes: train, dev and test."""
        return [part for part in self.parts if part in ("train", "dev", "test")]

    @property
    def held_out_parts(self) -> list[str]:
        """Names of all splits except train."""
        return [part for part in self.parts if part != "train"]

    @property
    def intervened_parts(self) -> list[str]:
        """Names of the splits on which interventions are evaluated: test images of seen and of unseen classes."""
        return [part for part in self.parts if part in ("test", "ood")]

    def class_folder(self, suffix: str) -> str:
        """Return the folder of the files that `class_files` returns."""
        return self._kept_as(suffix)[0]

    def _kept_as(self, suffix: str) -> tuple[str, str]:
        if suffix == "hash":
            return f"resources/hashes/{self.pool}", "tsv"
        if suffix == "hdf5":
            return f"{FEATURES}/{self.features}/{self.pool}", suffix
        return f"resources/images/{self.pool}", suffix


def paths_of(
    config: dict[str, Any],
    classes: Sequence[ImageClass],
    class_set_name: str,
    source: SourceOptions,
    network: FeatureOptions,
) -> Paths:
    """Return the paths of an experiment.

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set; empty if features are imported.
    class_set_name
        Name of the class set's file without extension, used in the name of the set of images.
    source, network
        Options of the image source and of the network.
    """
    kind = config["source"]["kind"]
    if kind == "features":
        given = config["source"]["features"]
        return Paths(config["experiment"], "", "", "", "", tuple(part for part in DOMAIN_OF_PART if given[part]))
    world = f"resources/world/{_world_digest(config, classes)}" if kind == "world" else ""
    images = open_source(source)
    content = world if kind == "world" else images.digest(classes)
    url_list = ""
    if kind == "torchvision":
        world = f"resources/datasets/{digest_of(content)}"
    elif kind == "url_list":
        # The list is the same whatever the classes are.
        url_list = f"resources/urls/{digest_of(images.digest([]))}.list"
    elif kind == "world":
        url_list = f"{world}/urls.txt"
    elif images.needs_listing:
        url_list = f"resources/urls/{digest_of(content)}.tsv"
    return Paths(
        config["experiment"],
        f"{class_set_name}-{_pool_digest(config, classes, content)}",
        features_id(network),
        world,
        url_list,
        parts_of(config, classes),
        {name: shard for shard, names in shards_of([one.name for one in classes]).items() for name in names},
    )


def parts_of(config: dict[str, Any], classes: Sequence[ImageClass]) -> tuple[str, ...]:
    """Return the splits that have classes, and more than zero images per class."""
    domains = {image_class.domain for image_class in classes}
    return tuple(
        part for part, domain in DOMAIN_OF_PART.items() if domain in domains and config["split"][domain][part] > 0
    )


def _world_digest(config: dict[str, Any], classes: Sequence[ImageClass]) -> str:
    names = [image_class.name for image_class in classes]
    return digest_of([config["source"]["world"], config["seed"], names, DRAWING])


def class_digest(config: dict[str, Any], one: ImageClass, images: Source) -> str:
    """Return a digest of everything in the config that determines the images of a class.

    Other classes are not included. They matter only if they list the same address, which affects the split plan.
    """
    content = _world_digest(config, [one]) if config["source"]["kind"] == "world" else images.digest([one])
    return _pool_digest({**config, "split": config["split"][one.domain]}, [one], content)


def _pool_digest(config: dict[str, Any], classes: Sequence[ImageClass], content: str) -> str:
    return digest_of(
        {
            "content": content,
            "classes": [[one.name, one.wnid, one.domain] for one in classes],
            "kind": config["source"]["kind"],
            "class_size": config["source"]["class_size"],
            "split": config["split"],
            "seed": config["seed"],
            "fetch": content_settings(config["fetch"]),
            "excluded": sorted(read_exclusions(config["fetch"]["exclude"])),
        },
        digits=8,
    )


def grouped(classes: Sequence[ImageClass], per_job: int | None) -> list[list[str]]:
    """Return the names of the classes of each job: groups of at most `per_job`, or the shards of a large class set.

    If `per_job` is None, it is 15 or a twentieth of the class set, whichever is larger. Smaller groups would be slow:
    each job takes seconds to start, and Snakemake examines the inputs of all waiting jobs whenever a job finishes.
    """
    names = [image_class.name for image_class in classes]
    if shards := shards_of(names):
        return list(shards.values())
    per_job = per_job or max(FEWEST_CLASSES_PER_JOB, math.ceil(len(names) / MOST_JOBS_OF_A_STAGE))
    return [names[start : start + per_job] for start in range(0, len(names), per_job)]


def shards_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Return a mapping from each shard's name to its classes; empty for at most `MOST_BY_FILE` classes.

    The shards depend only on the class set, so no setting moves a file to another folder.
    """
    if len(names) <= MOST_BY_FILE:
        return {}
    size = -(-len(names) // SHARDS)
    starts = range(0, len(names), size)
    return {f"shard-{number:03d}": list(names[start : start + size]) for number, start in enumerate(starts)}


@dataclass(frozen=True)
class RunPaths:
    """Paths of files in the folders ``results/<experiment>/runs/<run>/<seed>/``.

    Attributes
    ----------
    paths, runs, seeds
        The experiment's paths, the names of its runs, and its seeds.
    """

    paths: Paths
    runs: Sequence[str]
    seeds: Sequence[int]

    def file(self, name: str) -> str:
        """Return the path of a file of one run and seed, with the wildcards ``{run}`` and ``{seed}``."""
        return self.paths.result(f"runs/{{run}}/{{seed}}/{name}")

    def of_seeds(self, name: str, seeds: Iterable[int | str]) -> list[str]:
        """Return the paths of a file for each of the given seeds, with the wildcard ``{run}``."""
        return [self.paths.result(f"runs/{{run}}/{seed}/{name}") for seed in seeds]

    def of_runs(self, name: str, runs: Iterable[str] | None = None) -> list[str]:
        """Return the paths of a file for every seed of the given runs, or of all runs if `runs` is None."""
        named = self.runs if runs is None else runs
        return [self.paths.result(f"runs/{run}/{seed}/{name}") for run in named for seed in self.seeds]

    def messages(self, seeds: Sequence[str] = SEED_WILDCARD) -> list[str]:
        """Return the paths of recorded dialogues, set by set, of each given seed, with the wildcard ``{run}``."""
        return [path for name in self._names("messages") for path in self.of_seeds(name, seeds)]

    def held_out_messages(self, seeds: Sequence[str] = SEED_WILDCARD) -> list[str]:
        """Return the paths that `messages` returns, except those of the train split."""
        return [path for path in self.messages(seeds) if not path.endswith(".train.hdf5")]

    def attention(self, seeds: Sequence[str]) -> list[str]:
        """Return the paths of attention weights, set by set, of each given seed, with the wildcard ``{run}``."""
        return [path for name in self._names("attention") for path in self.of_seeds(name, seeds)]

    def all_messages(self) -> list[str]:
        """Return the paths of the recorded dialogues of every run and seed."""
        return [path for name in self._names("messages") for path in self.of_runs(name)]

    def all_attention(self, runs: Iterable[str]) -> list[str]:
        """Return the paths of the attention weights of the given runs, for every seed."""
        return [path for name in self._names("attention") for path in self.of_runs(name, runs)]

    def messages_about(self, runs_and_sets: Iterable[tuple[str, str]]) -> list[str]:
        """Return the paths of recorded dialogues for pairs of a run and an evaluation set, for every seed."""
        return [path for run, name in runs_and_sets for path in self.of_runs(_file_of("messages", name), [run])]

    def eval_set_names(self) -> list[str]:
        """Return the names of the evaluation sets: all splits, then those of unseen classes with suffix `ALONE`."""
        unseen = [part for part in self.paths.parts if part in UNSEEN_PARTS]
        return [*self.paths.parts, *(f"{part}{ALONE}" for part in unseen)]

    def _names(self, kind: str) -> list[str]:
        return [_file_of(kind, name) for name in self.eval_set_names()]


def _file_of(kind: str, eval_set: str) -> str:
    """Return the name of a file about an evaluation set; `kind` is `messages` or `attention`."""
    return f"{kind}.hdf5" if eval_set == "test" else f"{kind}.{eval_set}.hdf5"


def seed_groups(seeds: Sequence[int], per_job: int) -> dict[str, list[str]]:
    """Return a mapping from the suffix of a rule's name to the seeds that one of its jobs trains or evaluates.

    If each job works on one seed, there is one rule, with an empty suffix, and the seed is a wildcard. Otherwise each
    group of seeds has its own rule, with a suffix such as ``_3`` for the group's first seed.
    """
    if min(per_job, len(seeds)) == 1:
        return {"": SEED_WILDCARD}
    names = [str(seed) for seed in seeds]
    return {f"_{names[start]}": names[start : start + per_job] for start in range(0, len(names), per_job)}


def seeds_label(seeds: Sequence[str]) -> str:
    """Return a label for a group of seeds, which Snakemake shows when the job of the group starts."""
    return "seed {wildcards.seed}" if seeds == SEED_WILDCARD else f"seed {', '.join(seeds)}"
