"""Select the candidate images of each class from the source."""

from stage import stage

from parley.config.options import source_options
from parley.dataset.candidates import select
from parley.dataset.class_set import ImageClass

with stage(snakemake):
    select(
        source_options(snakemake.config["source"], snakemake.params.world),
        [ImageClass(**values) for values in snakemake.params.classes],
        snakemake.params.counts,
        snakemake.output.candidates,
        snakemake.input.urls or None,
        snakemake.config["fetch"]["on_shortage"],
    )
