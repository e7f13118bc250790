"""Train one run with one seed."""

from pathlib import Path

import torch
from stage import stage

from parley.training import train_from_files

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    train_from_files(
        snakemake.params.run,
        {"train": snakemake.input.train, "dev": snakemake.input.dev},
        snakemake.input.descriptions,
        snakemake.input.words,
        Path(snakemake.output.log).parent,
        snakemake.params.code,
    )
