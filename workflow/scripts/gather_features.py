"""Gather the features of one part's images from the files of their classes."""

from stage import stage

from parley.classes import ImageClass, realised
from parley.features.gather import gather_part
from parley.files import read_table

with stage(snakemake):
    classes = [ImageClass(**values) for values in snakemake.params.classes]
    rows = read_table(snakemake.input.splits, ["class", "key", "part", "sha256"])
    gather_part(
        [row for row in rows if row["part"] == snakemake.wildcards.part],
        dict(zip([one.name for one in classes], snakemake.input.features, strict=True)),
        realised(snakemake.input.realised, classes),
        snakemake.output.part,
        by_reference=snakemake.params.gather == "reference",
    )
