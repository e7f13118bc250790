"""Record every dialogue of a run's selected checkpoint."""

import torch
from stage import stage

from parley.core.failures import propagate_failure
from parley.evaluation.evaluate import EvalInputs
from parley.evaluation.messages import extract_messages

with stage(snakemake), propagate_failure(snakemake.output):
    torch.set_num_threads(snakemake.threads)
    inputs = EvalInputs(
        snakemake.input.best,
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.descriptions,
        snakemake.input.words,
        snakemake.params.about,
        snakemake.params.most,
    )
    extract_messages(inputs, dict(zip(snakemake.params.questions, snakemake.output.messages, strict=True)))
