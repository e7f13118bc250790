"""Write down every conversation of a run's chosen checkpoint."""

import torch
from stage import stage

from parley.core.failures import propagate_failure
from parley.evaluation.messages import extract_messages

with stage(snakemake), propagate_failure(snakemake.output):
    torch.set_num_threads(snakemake.threads)
    extract_messages(
        snakemake.input.best,
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.input.words,
        snakemake.params.about,
        dict(zip(snakemake.params.questions, snakemake.output.messages, strict=True)),
        snakemake.params.most,
    )
