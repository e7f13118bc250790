"""Draw the figures of one run."""

from pathlib import Path

from stage import stage

from parley.core.failures import came_through
from parley.report.figures.draw import draw_run

with stage(snakemake):
    draw_run(
        snakemake.wildcards.run,
        came_through(snakemake.input.analyses),
        snakemake.input.logs,
        came_through(snakemake.input.selections),
        came_through(snakemake.input.flips),
        Path(snakemake.output.svg[0]).parent,
    )
