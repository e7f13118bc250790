"""What serves Snakemake: code digests, the run lock, logs of failed jobs."""
