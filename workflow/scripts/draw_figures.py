"""Draw the overview figure of all runs."""

from pathlib import Path

from stage import stage

from parley.report.figures.overview import draw_overview

with stage(snakemake):
    draw_overview(snakemake.input.summary, Path(snakemake.output.svg[0]).parent)
