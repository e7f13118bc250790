"""Summarise the evaluations of each run over its seeds."""

from itertools import product

from stage import stage

from parley.analysis.summary import failed_seeds, summarise, write_summary
from parley.core.failures import successful
from parley.metrics.records import read_evaluation, reasons_of_failure

with stage(snakemake):
    evaluations = [read_evaluation(path) for path in successful(snakemake.input.evaluations)]
    expected = list(product(snakemake.params.runs, snakemake.params.seeds))
    write_summary(
        summarise(evaluations, expected),
        failed_seeds(evaluations, expected),
        snakemake.output.csv,
        snakemake.output.json,
        reasons_of_failure(snakemake.input.evaluations),
    )
