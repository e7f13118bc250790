"""Write a description of each class: the text in the class set or, without one, the WordNet gloss."""

from stage import stage

from parley.dataset.class_set import ImageClass, remaining_classes
from parley.text.descriptions import write_descriptions
from parley.text.glosses import describe

with stage(snakemake):
    classes = [ImageClass(**values) for values in snakemake.params.classes]
    classes = remaining_classes(snakemake.input.funnel, classes)
    private = snakemake.config["fetch"]["allow_private_hosts"]
    described = describe(classes, snakemake.params.wordnet, snakemake.params.gloss, private)
    write_descriptions(snakemake.output.descriptions, described)
