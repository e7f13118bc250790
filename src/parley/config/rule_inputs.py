"""Inputs and params of rules, computed from the config."""

import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

from parley.config.experiment import Experiment
from parley.config.input_checks import ATTRIBUTE_FILES
from parley.config.options import source_options
from parley.config.paths import SEED_WILDCARD, class_digest, grouped
from parley.config.plugin_parts import OF_GAME, PluginParts
from parley.config.run_settings import attending_runs, run_settings, settings_of_runs
from parley.config.schema import Config
from parley.core.files import digest_of, read_json
from parley.core.formats import REUSED
from parley.dataset.dedup.outcomes import DedupOptions
from parley.dataset.fetch.options import content_settings
from parley.dataset.reuse import CLASS_SUFFIXES, ClassStore
from parley.dataset.sources import open_source
from parley.dataset.sources.archive import IN_ARCHIVE
from parley.dataset.sources.base import Source, file_fingerprint
from parley.game.settings import result_affecting
from parley.runtime.code_digest import combined
from parley.text.descriptions import stop_words_file
from parley.text.encoders import WORDS, encoder_files
from parley.text.glosses import needs_wordnet
from parley.text.wordnet import installed_nouns


class RuleValues:
    """Inputs and params of rules. An input that this experiment does not have is an empty list.

    If a param changes, Snakemake reruns the rule. Methods with an argument `wildcards` are called for each job.

    Parameters
    ----------
    experiment
        Config, classes and paths of the experiment.
    shares_disk
        Whether all jobs use one disk, on which files of classes can be copied from image set to image set.
    """

    def __init__(self, experiment: Experiment, shares_disk: bool = True) -> None:
        self._config, self._classes, self._paths = experiment
        self._reuses = shares_disk and not self._paths.shard_of
        self.plugins = PluginParts(self._config)
        self._domain_of = {one.name: one.domain for one in self._classes}
        self.class_digests: dict[str, str] = {}
        """Digest of everything that determines a class's images, for the classes with missing files."""
        self.source_kind: str = self._config["source"]["kind"]
        self.from_images = self.source_kind != "features"
        """Whether features are extracted from images, not imported."""
        self.lists_archives = self.from_images and self._source.needs_listing
        """Whether a job of its own provides the source's archives and lists the images in them."""
        fetch, evaluation = self._config["fetch"], self._config["evaluation"]
        self.drops_classes = self.from_images and fetch["on_shortage"] == "drop_class"
        self.compares_images = self.from_images and fetch["near_copies"] != "ignore"
        """Whether images are compared to find near copies."""
        self.has_encoder = self._config["descriptions"]["encoder"] != WORDS
        """Whether descriptions are encoded whole, not word by word."""
        self.attribute_settings = [evaluation[key] for key in (*ATTRIBUTE_FILES, "attribute_threshold")]
        self.has_attributes = self.source_kind == "world" or bool(evaluation["attributes"])
        self.attending_runs = attending_runs(self._config) if evaluation["keep_attention"] else []
        """Names of the runs whose attention weights are stored."""

    def code(self, script: str, digest: str) -> str | Callable[[Any], str]:
        """Return the param `code` of a rule: the digest of its script and of the parts of plug-ins that it uses.

        If it uses those that its run names, the value is a function of the wildcards.
        """
        if not self.plugins.used_by(script):
            return digest
        if script not in OF_GAME:
            return combined(digest, self.plugins.digests(script))

        def of_run(wildcards: Any) -> str:
            return combined(digest, self.plugins.digests(script, wildcards.run))

        return of_run

    def class_files(self, suffix: str) -> list[str]:
        """Return the paths that `Paths.class_files` returns for all classes."""
        return self._paths.class_files(suffix, [one.name for one in self._classes])

    def job_groups(self, suffix: str, per_job: int | None, code: str = "") -> dict[str, list[str]]:
        """Divide the classes into the jobs that make their files; the keys are the ends of the rules' names.

        Files that exist for another image set with the same class are copied by one job, whose name ends in `REUSED`.
        Nothing is copied for a large class set, or without a shared disk.

        Parameters
        ----------
        suffix
            Kind of file, as in `Paths.class_files`.
        per_job
            Number of classes per job, as in `parley.config.paths.grouped`.
        code
            Digest of the code that makes the files; empty if an edit does not make them again.
        """
        names = list(self._domain_of) if self._reuses else []
        store = ClassStore(Path(self._paths.class_folder(suffix)), CLASS_SUFFIXES[suffix], code)
        reused = store.reused(names, self._class_digest)
        groups = grouped([one for one in self._classes if one.name not in reused], per_job)
        numbered = {f"{number:04d}": group for number, group in enumerate(groups)}
        return {**numbered, REUSED: reused} if reused else numbered

    def images(self) -> list[str]:
        """Return the paths of every class's tar and manifest, or of the shards, which contain both."""
        paths = self.class_files("tar") + self.class_files("tsv") if self.from_images else []
        return list(dict.fromkeys(paths))

    def made_images(self) -> list[str]:
        """Return the folders of images that a job makes: one per drawn class, or one of torchvision's tars."""
        if self.source_kind == "torchvision":
            return [self._paths.world]
        names = [one.name for one in self._classes] if self.source_kind == "world" else []
        return [f"{self._paths.world}/{name}" for name in names]

    def of_images(self, name: str) -> str | list[str]:
        """Return the path of a result that exists only in experiments that use images."""
        return self._paths.result(name) if self.from_images else []

    def classes_if_dropped(self) -> str | list[str]:
        """Return the path of funnel.json, which lists dropped classes, if classes may be dropped.

        Otherwise return no input, so that the descriptions of classes do not wait for images.
        """
        return self._paths.result("funnel.json") if self.drops_classes else []

    def attributes(self) -> str | list[str]:
        """Return the path of the table of the classes' attributes, if there is one."""
        return self._paths.result("attributes.tsv") if self.has_attributes else []

    def attribute_files(self) -> list[str]:
        """Return the paths of the given files of attributes; for files in the source's archive, that of its list."""
        own = self.own_attribute_files()
        is_inside = any(path and path not in own for path in self.attribute_settings[:3])
        return own + ([self._paths.url_list] if is_inside else [])

    def own_attribute_files(self) -> list[str]:
        """Return the paths of the given files of attributes that are not in the source's archive."""
        return [path for path in self.attribute_settings[:3] if path and not path.startswith(IN_ARCHIVE)]

    def evaluation_descriptions(self) -> str | list[str]:
        """Return the path of the descriptions for evaluation, if they differ from the descriptions for training."""
        path: str | list[str] = self._config["descriptions"]["evaluation"] or []
        return path

    def words_missing(self) -> str | list[str]:
        """Return the path of the list of words without a vector, if the Receiver reads vectors of words."""
        return [] if self.has_encoder else self._paths.result("words_missing.tsv")

    def stop_words_file(self) -> str | list[str]:
        """Return the path of a list of stop words, if `words.stop_words` is one."""
        return stop_words_file(self._config["words"]["stop_words"]) or []

    def given_features(self, wildcards: Any) -> str:
        """Return the path of the feature file that the config gives for a split."""
        path: str = self._config["source"]["features"][wildcards.part]
        return path

    def earlier_splits(self, wildcards: Any) -> list[str]:
        """Return the paths of the feature files of the splits before a split."""
        parts = self._paths.parts
        return [self._paths.result(f"{part}.hdf5") for part in parts[: parts.index(wildcards.part)]]

    def tables(self) -> list[str]:
        """Return the paths of the tables for a paper."""
        names = [table["name"] for table in self._config["tables"]]
        return [self._paths.result(f"tables/{name}.{suffix}") for name in names for suffix in ("md", "tex")]

    def linked_by_report(self) -> list[str]:
        """Return the paths of files that the report links to."""
        of_images = ["plan.tsv", "splits.tsv", "data_card.md"] if self.from_images else []
        return [self._paths.result(name) for name in ["config.yaml", "browser.html", *of_images]]

    def source_stages(self) -> list[str]:
        """Return the rules whose outputs experiments share, so that another experiment may already have made them."""
        made = {"world": ["draw_world"], "torchvision": ["download_dataset"]}.get(self.source_kind, [])
        hashed = ["hash_images"] if self.compares_images else []
        return [*made, "fetch_images", *hashed, "extract_features"] if self.from_images else []

    def class_table(self, *columns: str) -> list[dict[str, Any]]:
        """Return the class set as a list of dictionaries, with some of its columns."""
        return [{column: getattr(one, column) for column in columns} for one in self._classes]

    @cached_property
    def _source(self) -> Source:
        return open_source(source_options(self._config["source"], own_code=self.plugins.source_code()))

    def _class_digest(self, name: str) -> str:
        if name not in self.class_digests:
            (one,) = (one for one in self._classes if one.name == name)
            self.class_digests[name] = class_digest(self._config, one, self._source)
        return self.class_digests[name]

    def domains(self, group: Sequence[str]) -> dict[str, str]:
        """Return the domain of each class in a shard, or of all classes if there are no shards.

        The domain is `IN_DOMAIN` (seen classes), `OUT_OF_DOMAIN` or `TRANSFER`. Without shards, the groups of classes
        can change; a param that depends on the group would then cause a rerun.
        """
        return {name: self._domain_of[name] for name in group} if self._paths.shard_of else self._domain_of

    def fetch_settings(self) -> Config:
        """Return the settings of the section `fetch` that affect which images are fetched and stored.

        If a job may have to download archives, the wnids are added, because they name the archives.
        """
        wnids = {"wnids": {one.name: one.wnid for one in self._classes}} if self.lists_archives else {}
        return content_settings(self._config["fetch"]) | wnids

    def dedup_settings(self) -> Config:
        """Return the settings of the section `fetch` for duplicates and for splits with too few images."""
        settings: Config = self._config["fetch"]
        return {field.name: settings[field.name] for field in fields(DedupOptions) if field.name in settings}

    def checked_ks(self) -> Config:
        """Return `k` and `k_unseen`, to be checked again with the final classes; empty if no class can be dropped."""
        evaluation = self._config["evaluation"]
        return {name: evaluation[name] for name in ("k", "k_unseen")} if self.drops_classes else {}

    def topk_values(self) -> list[int]:
        """Return the K of accuracy@K with seen classes as candidates, and the K with seen and unseen classes."""
        evaluation = self._config["evaluation"]
        return [evaluation["k"], evaluation["k_unseen"] or evaluation["k"]]

    def run_names(self, seeds: Sequence[int | str]) -> Callable[[Any], list[dict[str, Any]]]:
        """Return a function that takes the wildcards and returns the experiment, run and seed, for each given seed."""

        def names(wildcards: Any) -> list[dict[str, Any]]:
            numbers = [wildcards.seed] if seeds == SEED_WILDCARD else seeds
            about = {"experiment": self._paths.experiment, "run": wildcards.run}
            return [{**about, "seed": int(number)} for number in numbers]

        return names

    def run_configs(self, seeds: Sequence[str]) -> Callable[[Any], list[Config]]:
        """Return a function that takes the wildcards and returns the content of config.json for each given seed."""

        def configs(wildcards: Any) -> list[Config]:
            settings = run_settings(self._config, wildcards.run)
            rest = {"game": settings["game"], "training": result_affecting(settings["training"])}
            k = self._logged_k({"experiment": self._paths.experiment, "run": wildcards.run, **rest})
            return [{**about, "k": k, **rest} for about in self.run_names(seeds)(wildcards)]

        return configs

    def _logged_k(self, run: Config) -> int:
        """Return the k with which a run logs its dev results: that of its finished seeds, or `evaluation.k`.

        Another `evaluation.k` then trains nothing again, unless k affects which checkpoint is selected.
        """
        k: int = self._config["evaluation"]["k"]
        if self._config["selection"]["rule"] in ("accuracy@k", "earliest_within_1se") or run["training"]["patience"]:
            return k
        logged = set()
        for seed in self._config["seeds"]:
            path = Path(self._paths.result(f"runs/{run['run']}/{seed}/config.json"))
            done = read_json(path) if path.is_file() else {}
            done.pop("plugins", None)
            logged |= {done["k"]} if done == {**run, "seed": seed, "k": done.get("k")} else set()
        return logged.pop() if len(logged) == 1 else k

    def games(self) -> dict[str, Config]:
        """Return the game settings of each run."""
        return {name: run["game"] for name, run in settings_of_runs(self._config).items()}

    def wordnet_digest(self) -> str:
        """Return the digest of an installed WordNet's file of nouns; an empty string if none is needed or installed."""
        nouns = installed_nouns(self._config["descriptions"]["wordnet"]) if needs_wordnet(self._classes) else None
        return file_fingerprint(nouns) if nouns else ""

    def given_features_digest(self, wildcards: Any) -> str:
        """Return the `content_digest` of the feature file that the config gives for a split."""
        return content_digest(self.given_features(wildcards))

    def texts_digest(self) -> str:
        """Return the `content_digest` of the files of word vectors, stop words and descriptions for evaluation."""
        files = (self._config["words"]["source"], self.stop_words_file(), self.evaluation_descriptions())
        return content_digest(*files)

    def encoder_digest(self) -> str:
        """Return the `content_digest` of the files of an encoder given by a path and of the evaluation descriptions."""
        return content_digest(encoder_files(self._config["descriptions"]["encoder"]), self.evaluation_descriptions())


def content_digest(*inputs: str | list[str]) -> str:
    """Return a digest of the content of files that the user gives; an empty string if none can be read.

    Rules have it as a param: Snakemake alone compares modification times, and would not notice that a file was replaced
    by an older one, as ``mv``, ``cp -p`` and ``tar`` do.
    """
    paths = [Path(path) for one in inputs for path in ([one] if isinstance(one, str) else one)]
    digests = [file_fingerprint(path) for path in paths if path.is_file() and os.access(path, os.R_OK)]
    return digest_of(digests) if digests else ""


def group_label(group: Sequence[str]) -> str:
    """Return a label for a group of classes, which Snakemake shows when the job of the group starts."""
    return group[0] if len(group) == 1 else f"{len(group)} classes, {group[0]} to {group[-1]}"
