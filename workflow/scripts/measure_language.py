"""Compute the language metrics of a run's messages."""

from stage import stage

from parley.analysis.language import LanguageInputs, write_language
from parley.core.failures import propagate_failure

with stage(snakemake), propagate_failure(snakemake.output):
    write_language(
        snakemake.input.messages,
        LanguageInputs(
            snakemake.input.descriptions,
            snakemake.input.words,
            dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
            snakemake.input.attributes or None,
        ),
        tuple(snakemake.params.ks),
        snakemake.output.language,
        snakemake.params.seed,
    )
