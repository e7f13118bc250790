"""Summarise all runs over their seeds."""

from itertools import product

from stage import stage

from parley.failures import came_through
from parley.files import read_json
from parley.metrics.records import reasons_of_failure
from parley.summary import failed_seeds, summarise, write_summary

with stage(snakemake):
    evaluations = [read_json(path) for path in came_through(snakemake.input.evaluations)]
    expected = list(product(snakemake.params.runs, snakemake.params.seeds))
    write_summary(
        summarise(evaluations, expected),
        failed_seeds(evaluations, expected),
        snakemake.output.csv,
        snakemake.output.json,
        reasons_of_failure(snakemake.input.evaluations),
    )
