"""Write the attributes of an experiment's classes."""

from dataclasses import replace

from stage import stage

from parley.config.options import source_options
from parley.dataset.attributes import AttributeFiles, write_attributes
from parley.dataset.sources.archive import ImageArchive
from parley.text.descriptions import read_descriptions

with stage(snakemake):
    files = AttributeFiles(*snakemake.params.attributes)
    if files.is_in_archive:
        options = source_options(snakemake.config["source"])
        private = snakemake.config["fetch"]["allow_private_hosts"]
        files = files.unpacked(ImageArchive(replace(options, allow_private_hosts=private)).unpack)
    write_attributes(
        files if files.values else None,
        [row.label for row in read_descriptions(snakemake.input.descriptions)],
        snakemake.output.attributes,
    )
