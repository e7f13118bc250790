"""Bring together what all runs' conversations are like, exchange by exchange."""

from stage import stage

from parley.analysis.by_exchange import tabulate_exchanges
from parley.core.failures import came_through

with stage(snakemake):
    tabulate_exchanges(
        came_through(snakemake.input.analyses),
        came_through(snakemake.input.languages),
        snakemake.params.runs,
        snakemake.output.table,
    )
