"""Measure the difficulty of each class with a linear classifier on the image features."""

from stage import stage

from parley.analysis.difficulty import write_difficulty

with stage(snakemake):
    write_difficulty(
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.params.layers,
        snakemake.output.table,
        snakemake.output.overall,
    )
