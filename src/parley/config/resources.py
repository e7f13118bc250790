"""Memory, disk and GPUs that the rules request, computed from the config and the class set.

Snakemake calls `gpus_of_run` with the wildcards of a job. Other methods whose names end in ``_of_run`` or
``_of_inputs`` return a function that Snakemake calls with the wildcards, or the wildcards and inputs, of a job.
"""

from collections.abc import Callable, Sequence
from typing import Any

from parley.config.memory_budget import dialogues_mb, final_scores_mb
from parley.config.options import source_options
from parley.config.run_settings import run_settings
from parley.config.schema import Config
from parley.core.files import expand_home, is_web_url
from parley.dataset.archives import TAR, ZIP
from parley.dataset.class_set import IN_DOMAIN, ImageClass
from parley.dataset.sources import kind_of

MAP_BYTES = 512 * 8 * 8 * 4
"""Size of an image's feature map in the largest supported network: 512 channels of 8 x 8 cells in float32."""
MOST_MAP_MB = 3300
"""Maximum memory for the feature maps of a split; if they are larger, they are read from disk batch by batch."""
FETCHED_IMAGE_MB = 0.22
"""Size of a fetched image, estimated as twice the mean size of ImageNet's images."""
CLASS_TAR_MB = 200
"""Size of a class's tar on the web, estimated: those of ImageNet have 10 to 200 MB."""
CHECKPOINT_MB = 6
"""Estimated size of a checkpoint. It is 2.9 MB in the bundled experiment, but messages and vocabulary may be larger."""


class RuleResources:
    """Resources that the rules of one experiment request.

    Parameters
    ----------
    config
        The complete config.
    classes
        The class set; empty if features are imported.
    """

    def __init__(self, config: Config, classes: Sequence[ImageClass]) -> None:
        self._config, self._classes = config, classes
        self._domain_of = {one.name: one.domain for one in classes}
        self.dialogues_mb = dialogues_mb(config, classes)
        """Memory that the largest file of dialogues needs for scores."""
        self.final_scores_mb = final_scores_mb(config, classes)
        """Memory for the final scores of dialogues, with and without interventions."""

    def memory_mb_of_run(self, extra_mb: int = 0) -> Callable[[Any], int]:
        """Return a function that takes the wildcards and returns the memory of a job that loads a run's agents.

        The memory includes PyTorch, `extra_mb` and, with visual attention, the feature maps of the largest split.
        """

        def memory(wildcards: Any) -> int:
            preset = run_settings(self._config, wildcards.run)["game"]["preset"]
            per_class: int = max(max(parts.values()) for parts in self._config["split"].values())
            map_mb = len(self._classes) * per_class * MAP_BYTES / 1e6
            return round(3000 + (min(map_mb, MOST_MAP_MB) if preset.endswith("Attention") else 0)) + extra_mb

        return memory

    def gpus_of_run(self, wildcards: Any) -> int | None:
        """Return the number of GPUs that a training job requests; None for no request."""
        return gpus(run_settings(self._config, wildcards.run)["training"]["device"])

    def world_disk_mb(self) -> int:
        """Return the disk space for the generated synthetic images, at their uncompressed size."""
        world = self._config["source"]["world"]
        pixels = len(self._classes) * world["images_per_class"] * world["size_px"] ** 2
        size_mb: float = pixels * 3 / 1e6
        return round(1000 + size_mb)

    def archive_disk(self) -> dict[str, int]:
        """Return the resource `disk_mb` for the source's archives; none if the config does not have their size.

        For tars on the web, the size is that of ImageNet's large classes.
        A local zip or plain tar is read where it is. Of a compressed tar, a plain one is made, which is about as large
        if it contains images.
        """
        options = source_options(self._config["source"])
        if options.kind == "tars":
            return {"disk_mb": round(1000 + len(self._classes) * CLASS_TAR_MB)}
        if options.size_bytes is None:
            return {}
        is_local = any(expand_home(one).is_file() for one in options.locations if not is_web_url(one))
        is_plain = all(one.lower().endswith((TAR, ZIP)) for one in options.locations)
        return {"disk_mb": round(1000 + ((not is_local) + (not is_plain)) * options.size_bytes / 1e6)}

    def fetch_connections(self) -> int:
        """Return the number of units of the resource `net` for a job that fetches images.

        profiles/default provides one unit, so that only one such job runs at a time, and the limit
        `fetch.per_host` of a job is the limit of the whole machine.
        """
        source = source_options(self._config["source"])
        return 1 if kind_of(source.kind).over_network or any(map(is_web_url, source.locations)) else 0

    def fetch_disk_mb(self, names: Sequence[str]) -> int:
        """Return the disk space for the images of the given classes, which are stored both in the cache and in tars."""
        return round(1000 + self._wanted_images(names) * 2 * FETCHED_IMAGE_MB)

    def features_disk_mb_of_inputs(self, names: Sequence[str]) -> Callable[[Any, Any], int]:
        """Return a function that returns the disk space for the given classes' features and for the job's inputs."""

        def disk(wildcards: Any, input: Any) -> int:  # noqa: A002 - Snakemake passes it by this name
            # All layers that the original implementation (Evtimova et al., 2018) reads, for each image in float32: a
            # feature map of 512 x 8 x 8, a pooled vector of 512 and 1,000 logits.
            read_mb: float = input.size_mb
            return round(1000 + read_mb + self._wanted_images(names) * 4 * (512 * 65 + 1000) / 1e6)

        return disk

    def training_disk_mb_of_inputs(self, seeds: int) -> Callable[[Any, Any], int]:
        """Return a function that returns the disk space for checkpoints of `seeds` seeds and for the job's inputs."""

        def disk(wildcards: Any, input: Any) -> int:  # noqa: A002 - Snakemake passes it by this name
            training = run_settings(self._config, wildcards.run)["training"]
            read_mb: float = input.size_mb
            return round(1000 + read_mb + seeds * self._most_checkpoints(training) * CHECKPOINT_MB)

        return disk

    def _wanted_images(self, names: Sequence[str]) -> float:
        """Return the maximum number of images to fetch for the given classes, including the extra `fetch.margin`."""
        split, margin = self._config["split"], self._config["fetch"]["margin"]
        planned: int = sum(sum(split[self._domain_of[name]].values()) for name in names)
        return float(planned * (1 + margin))

    def _most_checkpoints(self, training: Config) -> int:
        """Return the maximum number of checkpoints of a run, if all planned images exist."""
        seen = sum(one.domain == IN_DOMAIN for one in self._classes)
        images = seen * self._config["split"][IN_DOMAIN]["train"]
        epoch = max(1, images // training["batch_size"])
        every = training["dev_every"] * (epoch if training["dev_unit"] == "epochs" else 1)
        steps = min(training["steps"], epoch * (training["max_epochs"] or training["steps"]))
        return int(1 + steps // every)


def extraction_threads(jobs: int, cores: int | None) -> int:
    """Return the number of threads of a job that extracts features: 1 if there are jobs for all cores, otherwise 2.

    Two jobs side by side take two thirds of the time of the same jobs in turn with two threads each, because one
    thread loads torch and the network. `cores` is None if jobs run on other machines.
    """
    return 1 if cores is not None and jobs >= cores else 2


def gpus(device: str) -> int | None:
    """Return the number of GPUs that a job requests; None for no request, because Kubernetes reads 0 as a request."""
    # With the device `auto`, no GPU is requested: a cluster without GPUs would reject the job or never start it.
    return 1 if device == "cuda" else None
