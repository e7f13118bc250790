"""Build the page for browsing an experiment's dialogues."""

from stage import stage

from parley.core.files import files_in
from parley.report.browser.build import build_browser

with stage(snakemake):
    build_browser(
        experiment=snakemake.params.experiment,
        messages=snakemake.input.messages,
        attention=snakemake.input.attention,
        descriptions=snakemake.input.descriptions,
        image_tars=files_in(snakemake.input.tars, ".tar"),
        features=snakemake.input.features or None,
        max_mb=snakemake.params.max_mb,
        out=snakemake.output.page,
    )
