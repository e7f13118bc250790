"""Write the complete config of the experiment."""

from stage import stage

from parley.config.schema import as_yaml
from parley.core.files import write_text

with stage(snakemake):
    write_text(snakemake.output.config, as_yaml(snakemake.params.config))
