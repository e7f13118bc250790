"""For each seed of a run, evaluate the selected checkpoint under every intervention."""

from stage import stage

import torch

from parley.core.failures import propagate_failure
from parley.evaluation.evaluate import EvalInputs
from parley.evaluation.interventions import intervene

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    seeds = zip(snakemake.params.runs, snakemake.input.best, snakemake.output.interventions, strict=True)
    for about, best, out in seeds:
        with propagate_failure([out]):
            inputs = EvalInputs(
                best,
                dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
                snakemake.input.descriptions,
                snakemake.input.words,
                about,
                snakemake.params.most,
            )
            intervene(inputs, tuple(snakemake.params.ks), out)
