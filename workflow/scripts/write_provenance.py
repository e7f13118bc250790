"""Write the provenance of every file of the experiment."""

from pathlib import Path

from stage import stage

from parley.provenance.document import write_provenance

with stage(snakemake):
    write_provenance(Path(snakemake.output.provenance).parent)
