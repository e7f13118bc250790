"""Which stages of an experiment are done, stale or missing, and why: what Snakemake would say, in a person's words."""
