"""Take in a part's ready-made features."""

from stage import stage

from parley.features.storage import read_features
from parley.files import copy_file

with stage(snakemake) as logger:
    rows = read_features(snakemake.input.part, "pooled")
    logger.info("%s: %d images", snakemake.input.part, len(rows.targets))
    copy_file(snakemake.input.part, snakemake.output.part)
