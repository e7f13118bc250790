"""Compute perceptual hashes of the images of a group of classes."""

from stage import stage

from parley.core.files import files_for, files_in
from parley.dataset.dedup.perceptual_hash import hash_classes

with stage(snakemake):
    tars = files_in(snakemake.input.tars, ".tar")
    hash_classes(tars, files_for(tars, snakemake.output.hashes, ".tsv"), snakemake.threads)
