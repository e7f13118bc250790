"""For each pair of seeds of a run, measure how well their predictions and their messages agree."""

from stage import stage

from parley.analysis.agreement import write_agreements
from parley.core.failures import successful

with stage(snakemake):
    write_agreements(
        successful(snakemake.input.messages),
        snakemake.params.runs,
        snakemake.output.table,
        snakemake.params.seed,
    )
