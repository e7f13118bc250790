"""Summarise the results of each run under interventions over its seeds."""

from stage import stage

from parley.analysis.seed_tables import summarise_interventions
from parley.core.failures import successful

with stage(snakemake):
    summarise_interventions(
        successful(snakemake.input.interventions),
        dict.fromkeys(snakemake.params.runs, len(snakemake.params.seeds)),
        snakemake.output.table,
    )
