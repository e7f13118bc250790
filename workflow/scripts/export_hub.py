"""Export the dialogues of all runs as a dataset of the Hugging Face Hub."""

from pathlib import Path

from stage import PROJECT, stage

from parley.core.failures import successful
from parley.core.tables import read_csv
from parley.dataset.class_set import read_groups
from parley.export.hub import write_dataset
from parley.export.hub_card import CardFacts, read_citation, rights_in
from parley.metrics.records import failed_owners

with stage(snakemake):
    cards = [snakemake.input.card] if snakemake.input.card else []
    facts = CardFacts(
        snakemake.params.experiment,
        snakemake.params.games,
        read_csv(snakemake.input.summary),
        failed_owners(snakemake.input.messages),
        "\n".join(rights_in(Path(card).read_text(encoding="utf-8")) for card in cards),
        read_citation(PROJECT / "CITATION.cff"),
    )
    write_dataset(
        successful(snakemake.input.messages), read_groups(snakemake.input.classes), facts, snakemake.output.dataset
    )
