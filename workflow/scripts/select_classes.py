"""Select each class's candidates from the source."""

from stage import stage

from parley.classes import ImageClass
from parley.options import source_options
from parley.selection import select

with stage(snakemake):
    select(
        source_options(snakemake.config["source"], snakemake.params.world),
        [ImageClass(**values) for values in snakemake.params.classes],
        snakemake.params.counts,
        snakemake.output.candidates,
        snakemake.input.urls or None,
        snakemake.config["fetch"]["on_shortage"],
    )
