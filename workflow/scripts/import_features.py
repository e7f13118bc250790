"""Import an existing feature file of a split: check it and copy it to the experiment."""

from stage import stage

from parley.core.files import copy_file
from parley.features.storage import read_features

with stage(snakemake) as logger:
    rows = read_features(snakemake.input.part, "pooled")
    logger.info("%s: %d images", snakemake.input.part, len(rows.targets))
    copy_file(snakemake.input.part, snakemake.output.part)
