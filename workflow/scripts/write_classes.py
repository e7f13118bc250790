"""Write the class set without the classes that have been dropped for too few images."""

from stage import stage

from parley.dataset.class_set import ImageClass
from parley.dataset.dedup.finalise import write_final_classes

with stage(snakemake):
    write_final_classes(
        snakemake.input.funnel,
        [ImageClass(**values) for values in snakemake.params.classes],
        snakemake.params.evaluation,
        snakemake.output.classes,
    )
