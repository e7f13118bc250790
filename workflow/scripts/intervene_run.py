"""Play the chosen checkpoints of a run's seeds with their messages disturbed, one thing at a time."""

import torch
from stage import stage

from parley.core.failures import propagate_failure
from parley.evaluation.interventions import intervene

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    seeds = zip(snakemake.params.seeds, snakemake.input.best, snakemake.output.interventions, strict=True)
    for seed, best, out in seeds:
        with propagate_failure([out]):
            intervene(
                best,
                dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
                snakemake.input.descriptions,
                snakemake.input.words,
                tuple(snakemake.params.ks),
                {"experiment": snakemake.params.experiment, "run": snakemake.wildcards.run, "seed": seed},
                out,
                most=snakemake.params.most,
            )
