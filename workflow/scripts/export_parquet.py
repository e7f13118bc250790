"""Write the conversations of all runs as one Parquet file."""

from stage import stage

from parley.export.parquet import write_parquet
from parley.failures import came_through
from parley.groups import read_groups
from parley.metrics.records import failed_owners

with stage(snakemake):
    write_parquet(
        came_through(snakemake.input.messages),
        read_groups(snakemake.input.classes),
        snakemake.params.experiment,
        failed_owners(snakemake.input.messages),
        snakemake.output.table,
    )
