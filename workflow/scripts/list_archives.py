"""Download the source's archives, and list the images in them."""

from pathlib import Path

from stage import stage

from parley.config.options import source_options
from parley.dataset.class_set import ImageClass
from parley.dataset.sources import open_source

with stage(snakemake):
    source = open_source(source_options(snakemake.config["source"], fetch=snakemake.config["fetch"]))
    classes = [ImageClass(**values) for values in snakemake.params.classes]
    source.write_listing(classes, Path(snakemake.output.urls))
