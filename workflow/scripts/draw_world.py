"""Generate the images of the synthetic world and their URL list."""

from pathlib import Path

from stage import stage

from parley.synthetic.build import draw_world

with stage(snakemake):
    draw_world(
        Path(snakemake.output.urls).parent,
        snakemake.params.images_per_class,
        snakemake.params.size_px,
        snakemake.params.seed,
        snakemake.params.creatures,
    )
