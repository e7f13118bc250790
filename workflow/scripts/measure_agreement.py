"""Compare every two seeds of each run: whether they answer alike, and whether they speak alike."""

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
