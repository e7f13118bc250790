"""Train one run with one seed, or with several seeds at once."""

from pathlib import Path

from stage import plugin_parts, stage

import torch

from parley.game.settings import performance_only
from parley.training.loop import train_from_files

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    train_from_files(
        snakemake.params.runs,
        {"train": snakemake.input.train, "dev": snakemake.input.dev},
        snakemake.input.descriptions,
        snakemake.input.words,
        [Path(path).parent for path in snakemake.output.log],
        snakemake.params.code,
        str(snakemake.input.evaluation) or None,
        performance_only(snakemake.config, snakemake.wildcards.run),
        plugin_parts(snakemake),
    )
