"""Download the URL list from the first location that provides it."""

from stage import stage

from parley.dataset.downloads import download

with stage(snakemake):
    url_list = snakemake.config["source"]["url_list"]
    download(
        url_list["locations"],
        snakemake.output.urls,
        url_list["checksum"] or None,
        most_bytes=20_000_000_000,
        allow_private_hosts=snakemake.config["fetch"]["allow_private_hosts"],
    )
