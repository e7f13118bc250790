"""Compute the language metrics of each seed's messages."""

from stage import stage

from parley.analysis.language import LanguageInputs, write_language
from parley.core.failures import propagate_failure

with stage(snakemake):
    inputs = LanguageInputs(
        snakemake.input.descriptions,
        snakemake.input.words,
        dict(zip(snakemake.params.parts, snakemake.input.parts, strict=True)),
        snakemake.input.attributes or None,
    )
    outputs, ks = snakemake.output.language, tuple(snakemake.params.ks)
    for index, out in enumerate(outputs):
        messages = snakemake.input.messages[index :: len(outputs)]  # They are ordered by evaluation set, then by seed.
        with propagate_failure([out]):
            write_language(messages, inputs, ks, out, snakemake.params.seed)
