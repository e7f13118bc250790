"""Look up or generate a vector for each word of the descriptions."""

from stage import stage

from parley.text.descriptions import read_descriptions
from parley.text.embed_words import VectorOptions, embed_words, log_indistinguishable

with stage(snakemake):
    # Words that occur only in the descriptions for evaluation need vectors, too.
    files = [snakemake.input.descriptions, *([snakemake.input.evaluation] if snakemake.input.evaluation else [])]
    rows = [read_descriptions(path) for path in files]
    words = embed_words(
        [description for of_file in rows for description in of_file],
        VectorOptions(**snakemake.params.words),
        snakemake.output.words,
        snakemake.output.missing,
        snakemake.params.folder,
        snakemake.config["fetch"]["allow_private_hosts"],
    )
    for of_file in rows:
        log_indistinguishable(of_file, words)
