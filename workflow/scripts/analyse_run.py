"""Compute the metrics of a run's recorded dialogues."""

from pathlib import Path

from stage import stage

from parley.core.failures import propagate_failure
from parley.core.files import write_json
from parley.metrics.analysis import analyse_run

with stage(snakemake), propagate_failure(snakemake.output):
    write_json(
        snakemake.output.analysis, analyse_run(Path(snakemake.input.evaluation).parent, snakemake.input.messages)
    )
