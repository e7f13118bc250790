"""Draw the figures of an experiment."""

from pathlib import Path

from stage import stage

from parley.figures.draw import draw_figures

with stage(snakemake):
    draw_figures(
        snakemake.input.summary,
        snakemake.input.analyses,
        snakemake.input.logs,
        snakemake.input.selections,
        Path(snakemake.output.svg[0]).parent,
    )
