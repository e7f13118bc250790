"""Copy the plan of the set of images, without URLs, to the experiment."""

from stage import stage

from parley.dataset.split_plan import publish_plan

with stage(snakemake):
    publish_plan(snakemake.input.plan, snakemake.output.plan)
