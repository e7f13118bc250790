"""Copy the plan that assigns images to splits, without URLs, to the experiment."""

from stage import stage

from parley.dataset.split_plan import publish_plan

with stage(snakemake):
    publish_plan(snakemake.input.plan, snakemake.output.plan)
