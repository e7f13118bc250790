"""Choose a run's checkpoint by its dev results."""

from pathlib import Path

from stage import stage

from parley.checkpoint_choice import select
from parley.failures import handed_on

with stage(snakemake), handed_on(snakemake.output):
    select(Path(snakemake.output.best).parent, snakemake.params.rule)
