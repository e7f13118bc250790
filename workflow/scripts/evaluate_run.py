"""Play a run's chosen checkpoint on every part and count what came out; on the test part, with bits flipped too."""

import torch
from stage import stage

from parley.core.failures import propagate_failure
from parley.evaluation.evaluate import evaluate
from parley.evaluation.interventions import FLIPS, intervene

with stage(snakemake), propagate_failure(snakemake.output):
    torch.set_num_threads(snakemake.threads)
    parts = dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True))
    texts = (snakemake.input.descriptions, snakemake.input.words)
    ks, about = tuple(snakemake.params.ks), snakemake.params.about
    evaluate(snakemake.input.best, parts, *texts, ks, about, snakemake.output.evaluation)
    # Here, where torch is loaded already, it costs little; every intervention on every part is another rule's.
    test = {"test": parts["test"]}
    intervene(snakemake.input.best, test, *texts, ks, about, snakemake.output.flips, FLIPS, snakemake.params.most)
