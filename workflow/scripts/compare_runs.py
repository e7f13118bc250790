"""Compare each pair of runs over the seeds that both have."""

from stage import stage

from parley.analysis.comparisons import compare_runs, write_comparisons
from parley.core.failures import successful
from parley.metrics.records import read_evaluation

with stage(snakemake):
    evaluations = [read_evaluation(path) for path in successful(snakemake.input.evaluations)]
    write_comparisons(
        compare_runs(evaluations, snakemake.params.runs, len(snakemake.params.seeds)), snakemake.output.table
    )
