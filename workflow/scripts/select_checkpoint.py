"""Select a run's checkpoint by its results on the dev split."""

from pathlib import Path

from stage import stage

from parley.core.failures import propagate_failure
from parley.training.checkpoint_selection import select

with stage(snakemake), propagate_failure(snakemake.output):
    select(Path(snakemake.output.best).parent, snakemake.params.rule)
