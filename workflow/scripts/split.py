"""Assign each candidate image to a split, and write the split plan, which determines what is fetched."""

from stage import stage

from parley.dataset.class_set import ImageClass
from parley.dataset.split_plan import write_plan

with stage(snakemake):
    write_plan(
        snakemake.input.candidates,
        [ImageClass(**values) for values in snakemake.params.classes],
        snakemake.params.counts,
        snakemake.params.seed,
        snakemake.output.plan,
    )
