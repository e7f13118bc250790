"""Play a run's chosen checkpoint on every part and count what came out."""

import torch
from stage import stage

from parley.failures import handed_on
from parley.playing import evaluate

with stage(snakemake), handed_on(snakemake.output):
    torch.set_num_threads(snakemake.threads)
    evaluate(
        snakemake.input.best,
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.input.words,
        tuple(snakemake.params.ks),
        snakemake.params.about,
        snakemake.output.evaluation,
    )
