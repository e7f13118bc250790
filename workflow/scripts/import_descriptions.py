"""Import an existing descriptions.csv: check it and copy it to the experiment."""

from stage import stage

from parley.text.descriptions import read_descriptions, write_descriptions

with stage(snakemake):
    write_descriptions(snakemake.output.descriptions, read_descriptions(snakemake.input.descriptions))
