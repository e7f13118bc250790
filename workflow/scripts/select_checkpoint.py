"""Choose a run's checkpoint by its dev results."""

from pathlib import Path

from stage import stage

from parley.core.failures import handed_on
from parley.training.checkpoint_selection import select

with stage(snakemake), handed_on(snakemake.output):
    select(Path(snakemake.output.best).parent, snakemake.params.rule)
