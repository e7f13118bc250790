"""Describe every class by its own text or by its gloss."""

from stage import stage

from parley.dataset.class_set import ImageClass, realised
from parley.text.descriptions import write_descriptions
from parley.text.glosses import describe

with stage(snakemake):
    classes = [ImageClass(**values) for values in snakemake.params.classes]
    classes = realised(snakemake.input.realised, classes)
    described = describe(classes, snakemake.params.wordnet, snakemake.params.gloss)
    write_descriptions(snakemake.output.descriptions, described)
