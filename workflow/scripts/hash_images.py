"""Hash what the images of a group of classes look like."""

from stage import stage

from parley.perceptual import hash_classes

with stage(snakemake):
    hash_classes(snakemake.input.tars, snakemake.output.hashes, snakemake.threads)
