"""Write the conversations of all runs as corpora."""

from stage import stage

from parley.descriptions import read_descriptions
from parley.export.corpora import write_corpora
from parley.failures import came_through
from parley.metrics.records import failed_owners

with stage(snakemake):
    write_corpora(
        came_through(snakemake.input.messages),
        {row.label: row.text for row in read_descriptions(snakemake.input.descriptions)},
        snakemake.params.experiment,
        snakemake.params.drawn,
        failed_owners(snakemake.input.messages),
        snakemake.output.elcc,
    )
