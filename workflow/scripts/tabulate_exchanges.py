"""Tabulate the metrics of all runs' dialogues and messages by exchange."""

from stage import stage

from parley.analysis.seed_tables import tabulate_exchanges
from parley.core.failures import successful

with stage(snakemake):
    tabulate_exchanges(
        successful(snakemake.input.analyses),
        successful(snakemake.input.languages),
        snakemake.params.runs,
        snakemake.output.table,
    )
