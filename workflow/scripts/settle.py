"""Assign the final images of all classes to splits, without duplicates."""

from stage import stage

from parley.core.files import by_class, files_in
from parley.dataset.class_set import ImageClass
from parley.dataset.dedup.finalise import finalise_splits
from parley.dataset.dedup.outcomes import DedupOptions

with stage(snakemake):
    classes = [ImageClass(**values) for values in snakemake.params.classes]
    finalise_splits(
        snakemake.input.plan,
        by_class(snakemake.input.manifests, ".tsv"),
        files_in(snakemake.input.hashes, ".tsv"),
        classes,
        snakemake.params.counts,
        DedupOptions(**snakemake.params.fetch),
        splits=snakemake.output.splits,
        funnel=snakemake.output.funnel,
        near_copies=snakemake.output.near_copies or None,
        shards=[one for one in snakemake.input.manifests if not one.endswith(".tsv")],
    )
