"""Get the URL list from the first place that has it."""

from stage import stage

from parley.downloads import download

with stage(snakemake):
    download(snakemake.params.locations, snakemake.output.urls, snakemake.params.checksum or None)
