"""Draw the figures of one run."""

from pathlib import Path

from stage import stage

from parley.core.failures import successful
from parley.report.figures.draw import draw_run

with stage(snakemake):
    draw_run(
        snakemake.wildcards.run,
        successful(snakemake.input.analyses),
        snakemake.input.logs,
        successful(snakemake.input.selections),
        successful(snakemake.input.flips),
        Path(snakemake.output.svg[0]).parent,
    )
