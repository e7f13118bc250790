"""Train a linear classifier in the agents' place and tell which classes are hard."""

import torch
from stage import stage

from parley.analysis.difficulty import write_difficulty

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    write_difficulty(
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.params.layer,
        snakemake.output.table,
        snakemake.output.overall,
    )
