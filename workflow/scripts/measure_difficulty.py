"""Train a linear classifier in the agents' place and tell which classes are hard."""

from stage import stage

from parley.analysis.difficulty import write_difficulty

with stage(snakemake):
    write_difficulty(
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.params.layer,
        snakemake.output.table,
        snakemake.output.overall,
    )
