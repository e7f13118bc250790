"""Summarise the language metrics of each run over its seeds."""

from stage import stage

from parley.analysis.seed_tables import summarise_languages
from parley.core.failures import successful

with stage(snakemake):
    summarise_languages(
        successful(snakemake.input.languages),
        dict.fromkeys(snakemake.params.runs, len(snakemake.params.seeds)),
        snakemake.output.table,
    )
