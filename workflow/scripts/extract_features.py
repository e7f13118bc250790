"""Put the images of a group of classes through the network."""

from pathlib import Path

from stage import stage

from parley.features.extract import extract_classes
from parley.options import network_options

with stage(snakemake):
    extract_classes(
        snakemake.input.tars,
        snakemake.output.features,
        network_options(snakemake.config["features"]),
        snakemake.params.weights_folder,
        device=snakemake.config["features"]["device"],
        threads=snakemake.threads,
        batch_size=snakemake.config["features"]["batch_size"],
        known_in=Path(snakemake.output.features[0]).parent.parent,
        engine=snakemake.config["features"]["engine"],
    )
