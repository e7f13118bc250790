"""Copy the split plan, without its URLs, to the experiment's folder."""

from stage import stage

from parley.dataset.split_plan import publish_plan

with stage(snakemake):
    publish_plan(snakemake.input.plan, snakemake.output.plan)
