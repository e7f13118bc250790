"""Copy the plan of a set of images to the experiment."""

from stage import stage

from parley.files import copy_file

with stage(snakemake):
    copy_file(snakemake.input.plan, snakemake.output.plan)
