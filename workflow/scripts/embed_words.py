"""Look up a vector for every word of the descriptions."""

from stage import stage

from parley.descriptions import read_descriptions
from parley.embedding import VectorOptions, embed_words

with stage(snakemake):
    embed_words(
        read_descriptions(snakemake.input.descriptions),
        VectorOptions(**snakemake.params.words),
        snakemake.output.words,
        snakemake.output.missing,
        snakemake.params.folder,
    )
