"""Import an existing feature file of a split: check it, compare it with those before, and copy it."""

from stage import stage

from parley.core.files import copy_file
from parley.features.storage import read_images, same_images

with stage(snakemake) as logger:
    keys, vectors = read_images(snakemake.input.part)
    logger.info("%s: %d images", snakemake.input.part, len(keys))
    for sentence in same_images(snakemake.input.part, keys, vectors, snakemake.input.earlier):
        logger.warning(sentence)
    copy_file(snakemake.input.part, snakemake.output.part)
