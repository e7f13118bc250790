"""Write the config's tables for a paper."""

from pathlib import Path

from stage import stage

from parley.analysis.summary_tables import write_paper_tables

with stage(snakemake):
    write_paper_tables(snakemake.input.summary, snakemake.params.tables, Path(snakemake.output.tables[0]).parent)
