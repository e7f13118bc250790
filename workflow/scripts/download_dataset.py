"""Download a dataset of torchvision unless it is there, and pack its images into one tar per class."""

from stage import stage

from parley.config.options import source_options
from parley.dataset.class_set import ImageClass
from parley.dataset.torchvision_images import pack_classes

with stage(snakemake):
    pack_classes(
        source_options(snakemake.config["source"]),
        [ImageClass(**values) for values in snakemake.params.classes],
        snakemake.output.tars[0],
    )
