"""Write the attributes of an experiment's classes."""

from stage import stage

from parley.dataset.attributes import write_attributes
from parley.text.descriptions import read_descriptions

with stage(snakemake):
    write_attributes(
        snakemake.input.given or None,
        [row.label for row in read_descriptions(snakemake.input.descriptions)],
        snakemake.output.attributes,
    )
