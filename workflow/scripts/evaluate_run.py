"""Evaluate each seed's selected checkpoint on every split, and on the test split also with flipped message bits."""

from stage import stage

import torch

from parley.core.failures import propagate_failure
from parley.evaluation.evaluate import EvalInputs, evaluate
from parley.evaluation.interventions import FLIPS, intervene

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    parts = dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True))
    texts, ks = (snakemake.input.descriptions, snakemake.input.words), tuple(snakemake.params.ks)
    for about, best, evaluation, flips in zip(
        snakemake.params.runs,
        snakemake.input.best,
        snakemake.output.evaluation,
        snakemake.output.flips,
        strict=True,
    ):
        with propagate_failure([evaluation, flips]):
            inputs = EvalInputs(best, parts, *texts, about)
            evaluate(inputs, ks, evaluation)
            # Done here because torch is loaded and it takes little time. The rule intervene_run evaluates all
            # interventions.
            test = inputs._replace(parts={"test": parts["test"]}, most=snakemake.params.most)
            intervene(test, ks, flips, FLIPS)
