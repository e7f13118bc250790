"""Support code for the Snakemake workflow: code digests, the run lock, and logs of failed jobs."""
