"""Record the attention weights of each seed's selected checkpoint."""

from stage import stage

import torch

from parley.core.failures import propagate_failure
from parley.evaluation.attention import extract_attention
from parley.evaluation.evaluate import EvalInputs

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    runs = snakemake.params.runs
    for index, (about, best) in enumerate(zip(runs, snakemake.input.best, strict=True)):
        outputs = snakemake.output.attention[index :: len(runs)]  # They are ordered by evaluation set, then by seed.
        with propagate_failure(outputs):
            inputs = EvalInputs(
                best,
                dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
                snakemake.input.descriptions,
                snakemake.input.words,
                about,
                snakemake.params.most,
            )
            extract_attention(inputs, dict(zip(snakemake.params.questions, outputs, strict=True)))
