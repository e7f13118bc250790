"""Measure a run's messages as a language."""

from stage import stage

from parley.failures import handed_on
from parley.languages import write_language

with stage(snakemake), handed_on(snakemake.output):
    write_language(
        snakemake.input.messages,
        snakemake.input.descriptions,
        snakemake.input.words,
        snakemake.output.language,
        snakemake.params.seed,
    )
