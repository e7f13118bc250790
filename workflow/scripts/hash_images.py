"""Compute perceptual hashes of the images of a group of classes."""

from stage import stage

from parley.core.files import files_in
from parley.dataset.dedup.perceptual_hash import hash_classes
from parley.dataset.reuse import reusing

with stage(snakemake):
    tars, digests = files_in(snakemake.input.tars, ".tar"), snakemake.config.get("class_digests", {})
    with reusing("hash", tars, snakemake.output.hashes, snakemake.params.code, snakemake.rule, digests) as paths:
        hash_classes(list(paths), list(paths.values()), snakemake.threads)
