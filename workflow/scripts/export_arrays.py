"""Write the messages of all runs, and what they are about, as arrays."""

from stage import stage

from parley.core.failures import successful
from parley.export.corpora import write_toolkit_files

with stage(snakemake):
    write_toolkit_files(
        successful(snakemake.input.messages), snakemake.input.attributes or None, snakemake.output.emlangkit
    )
