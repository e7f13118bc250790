"""Encode the descriptions with a frozen encoder."""

from stage import stage

import torch

from parley.text.descriptions import read_descriptions
from parley.text.encode_descriptions import encode_descriptions, log_indistinguishable

with stage(snakemake):
    torch.set_num_threads(snakemake.threads)
    files = [snakemake.input.descriptions, *([snakemake.input.evaluation] if snakemake.input.evaluation else [])]
    rows = [read_descriptions(path) for path in files]
    encode_descriptions(
        [description for of_file in rows for description in of_file],
        snakemake.params.encoder,
        snakemake.output.words,
        snakemake.output.missing,
    )
    for of_file in rows:
        log_indistinguishable(of_file)
