"""Export the dialogues of all runs as corpora for the Emergent Language Corpus Collection (ELCC)."""

from stage import stage

from parley.core.failures import successful
from parley.export.corpora import write_corpora
from parley.metrics.records import failed_owners
from parley.text.descriptions import read_descriptions

with stage(snakemake):
    write_corpora(
        successful(snakemake.input.messages),
        {row.label: row.text for row in read_descriptions(snakemake.input.descriptions)},
        snakemake.params.experiment,
        snakemake.params.drawn,
        failed_owners(snakemake.input.messages),
        snakemake.output.elcc,
    )
