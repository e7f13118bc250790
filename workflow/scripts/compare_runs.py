"""Compare each pair of runs over the seeds that both have."""

from stage import stage

from parley.analysis.comparisons import compare_runs, write_comparisons
from parley.core.failures import successful
from parley.core.files import read_json

with stage(snakemake):
    evaluations = [read_json(path) for path in successful(snakemake.input.evaluations)]
    write_comparisons(
        compare_runs(evaluations, snakemake.params.runs, len(snakemake.params.seeds)), snakemake.output.table
    )
