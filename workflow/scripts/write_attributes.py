"""Write the attributes of an experiment's classes."""

from stage import stage

from parley.dataset.attributes import AttributeFiles, write_attributes
from parley.text.descriptions import read_descriptions

with stage(snakemake):
    given = snakemake.input
    files = AttributeFiles(given.given, given.rows or None, given.columns or None, snakemake.params.threshold)
    write_attributes(
        files if files.values else None,
        [row.label for row in read_descriptions(snakemake.input.descriptions)],
        snakemake.output.attributes,
    )
