"""Write the data card and the table of images of an experiment."""

from stage import stage

from parley.config.options import source_options
from parley.core.files import by_class
from parley.dataset.data_card import write_data_card
from parley.dataset.data_card_text import CardContext

with stage(snakemake):
    write_data_card(
        CardContext(source=source_options(snakemake.params.source, snakemake.params.world), **snakemake.params.about),
        snakemake.output.card,
        snakemake.output.images,
        splits=snakemake.input.splits,
        funnel=snakemake.input.funnel,
        classes=snakemake.input.classes,
        manifests=by_class(snakemake.input.manifests, ".tsv"),
        url_list=snakemake.input.urls or None,
        exclude=snakemake.params.exclude,
    )
