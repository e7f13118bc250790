"""Draw the figures of one run."""

from pathlib import Path

from stage import stage

from parley.core.failures import successful
from parley.report.figures.draw import draw_run
from parley.report.figures.results import RunFiles

with stage(snakemake):
    draw_run(
        snakemake.wildcards.run,
        RunFiles(
            analyses=successful(snakemake.input.analyses),
            metrics_logs=snakemake.input.logs,
            selections=successful(snakemake.input.selections),
            flips=successful(snakemake.input.flips),
        ),
        Path(snakemake.output.svg[0]).parent,
    )
