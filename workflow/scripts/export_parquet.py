"""Export the dialogues of all runs to one Parquet file."""

from stage import stage

from parley.core.failures import successful
from parley.dataset.class_set import read_groups
from parley.export.parquet import write_parquet
from parley.metrics.records import failed_owners

with stage(snakemake):
    write_parquet(
        successful(snakemake.input.messages),
        read_groups(snakemake.input.classes),
        snakemake.params.experiment,
        failed_owners(snakemake.input.messages),
        snakemake.output.table,
    )
