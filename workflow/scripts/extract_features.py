"""Extract features of the images of a group of classes with the network."""

from pathlib import Path

from stage import stage

from parley.config.options import network_options
from parley.core.files import files_for, files_in
from parley.features.extract import extract_classes
from parley.features.weights import fetch_weights

with stage(snakemake):
    options = network_options(snakemake.config["features"])
    allow_private_hosts = snakemake.config["fetch"]["allow_private_hosts"]
    fetch_weights(options, snakemake.params.weights_folder, allow_private_hosts=allow_private_hosts)
    tars = files_in(snakemake.input.tars, ".tar")
    extract_classes(
        tars,
        files_for(tars, snakemake.output.features, ".hdf5"),
        options,
        snakemake.params.weights_folder,
        device=snakemake.config["features"]["device"],
        threads=snakemake.threads,
        batch_size=snakemake.config["features"]["batch_size"],
        known_in=Path(snakemake.output.features[0]).parent.parent,
        engine=snakemake.config["features"]["engine"],
    )
