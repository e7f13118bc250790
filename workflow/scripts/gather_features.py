"""Gather the features of a split's images from the feature files of their classes."""

from stage import stage

from parley.core.files import by_class
from parley.core.tables import stream_table
from parley.dataset.class_set import ImageClass, remaining_classes
from parley.features.gather import gather_part

with stage(snakemake):
    classes = [ImageClass(**values) for values in snakemake.params.classes]
    table = stream_table(snakemake.input.splits, ["class", "key", "sha256", "part"])
    gather_part(
        [
            {"class": name, "key": key, "sha256": sha256}
            for name, key, sha256, part in table
            if part == snakemake.wildcards.part
        ],
        by_class(snakemake.input.features, ".hdf5"),
        remaining_classes(snakemake.input.funnel, classes),
        snakemake.output.part,
        by_reference=snakemake.params.gather == "reference",
    )
