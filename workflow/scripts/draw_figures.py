"""Draw the figures of an experiment."""

from pathlib import Path

from stage import stage

from parley.failures import came_through
from parley.figures.draw import draw_figures

with stage(snakemake):
    draw_figures(
        snakemake.input.summary,
        came_through(snakemake.input.analyses),
        snakemake.input.logs,
        came_through(snakemake.input.selections),
        Path(snakemake.output.svg[0]).parent,
    )
