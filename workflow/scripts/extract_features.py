"""Extract features of the images of a group of classes with the network."""

from pathlib import Path

from stage import stage

from parley.config.options import network_options
from parley.core.files import files_in
from parley.dataset.reuse import reusing
from parley.features.extract import extract_classes
from parley.features.weights import fetch_weights

with stage(snakemake):
    options = network_options(snakemake.config["features"])
    tars, digests = files_in(snakemake.input.tars, ".tar"), snakemake.config.get("class_digests", {})
    allow_private_hosts = snakemake.config["fetch"]["allow_private_hosts"]
    with reusing("hdf5", tars, snakemake.output.features, snakemake.params.code, snakemake.rule, digests) as paths:
        if paths:
            fetch_weights(options, snakemake.params.weights_folder, allow_private_hosts=allow_private_hosts)
            extract_classes(
                list(paths),
                list(paths.values()),
                options,
                snakemake.params.weights_folder,
                device=snakemake.config["features"]["device"],
                threads=snakemake.threads,
                batch_size=snakemake.config["features"]["batch_size"],
                known_in=Path(snakemake.output.features[0]).parent.parent,
                engine=snakemake.config["features"]["engine"],
            )
