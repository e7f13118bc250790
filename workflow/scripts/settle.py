"""Settle, over all classes together, which images each part has."""

from stage import stage

from parley.classes import ImageClass
from parley.settle import settle

with stage(snakemake):
    classes = [ImageClass(**values) for values in snakemake.params.classes]
    settle(
        snakemake.input.plan,
        dict(zip([one.name for one in classes], snakemake.input.manifests, strict=True)),
        classes,
        snakemake.params.counts,
        snakemake.params.margin,
        snakemake.output.splits,
        snakemake.output.funnel,
        snakemake.params.on_shortage,
    )
