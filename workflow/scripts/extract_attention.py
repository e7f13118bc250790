"""Write down what the agents of a run's chosen checkpoint attended to."""

import torch
from stage import stage

from parley.core.failures import propagate_failure
from parley.evaluation.attention import extract_attention

with stage(snakemake), propagate_failure(snakemake.output):
    torch.set_num_threads(snakemake.threads)
    extract_attention(
        snakemake.input.best,
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.input.words,
        snakemake.params.about,
        dict(zip(snakemake.params.questions, snakemake.output.attention, strict=True)),
        snakemake.params.most,
    )
