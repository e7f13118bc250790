"""Evaluate a run's selected checkpoint on every split, and on the test split also with flipped message bits."""

import torch
from stage import stage

from parley.core.failures import propagate_failure
from parley.evaluation.evaluate import EvalInputs, evaluate
from parley.evaluation.interventions import FLIPS, intervene

with stage(snakemake), propagate_failure(snakemake.output):
    torch.set_num_threads(snakemake.threads)
    parts = dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True))
    texts, ks = (snakemake.input.descriptions, snakemake.input.words), tuple(snakemake.params.ks)
    inputs = EvalInputs(snakemake.input.best, parts, *texts, snakemake.params.about)
    evaluate(inputs, ks, snakemake.output.evaluation)
    # Done here because torch is loaded and it takes little time. The rule intervene_run evaluates all interventions.
    test = inputs._replace(parts={"test": parts["test"]}, most=snakemake.params.most)
    intervene(test, ks, snakemake.output.flips, FLIPS)
