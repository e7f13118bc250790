"""Write the attributes of an experiment's classes."""

from stage import stage

from parley.config.options import source_options
from parley.dataset.attributes import AttributeFiles, write_attributes
from parley.dataset.sources.archive import ImageArchive
from parley.text.descriptions import read_descriptions

with stage(snakemake):
    files = AttributeFiles(*snakemake.params.attributes)
    if files.is_in_archive:
        options = source_options(snakemake.config["source"], fetch=snakemake.config["fetch"])
        files = files.unpacked(ImageArchive(options).unpack)
    write_attributes(
        files if files.values else None,
        [row.label for row in read_descriptions(snakemake.input.descriptions)],
        snakemake.output.attributes,
    )
