"""Play a run's chosen checkpoint with its messages disturbed, one thing at a time."""

import torch
from stage import stage

from parley.failures import handed_on
from parley.intervening import intervene

with stage(snakemake), handed_on(snakemake.output):
    torch.set_num_threads(snakemake.threads)
    intervene(
        snakemake.input.best,
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.input.words,
        tuple(snakemake.params.ks),
        snakemake.params.about,
        snakemake.output.interventions,
    )
