"""Choose a run's checkpoint by its dev results."""

from pathlib import Path

from stage import stage

from parley.checkpoint_choice import select

with stage(snakemake):
    select(Path(snakemake.output.best).parent, snakemake.params.rule)
