"""Export the Sender's last messages of all runs, with the attributes of the classes, as arrays for emlangkit."""

from stage import stage

from parley.core.failures import successful
from parley.export.corpora import write_toolkit_files

with stage(snakemake):
    write_toolkit_files(
        successful(snakemake.input.messages), snakemake.input.attributes or None, snakemake.output.emlangkit
    )
