"""Fetch the images of a group of classes, and write a tar and a manifest (table of URLs tried) for each class."""

from pathlib import Path

from stage import stage

from parley.config.options import fetch_options, source_options
from parley.core.files import keep_date
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.outcomes import may_change
from parley.dataset.fetch.stage import fetch_classes
from parley.dataset.reuse import CLASS_SUFFIXES, ClassStore
from parley.dataset.sources import open_source
from parley.dataset.split_plan import plan_digests

with stage(snakemake) as logger:
    kind = snakemake.config["source"]["kind"]
    # A drawn class has a folder of its own; the tars of a dataset are together in one.
    made = [Path(path) if kind == "torchvision" else Path(path).parent for path in snakemake.input.pictures]
    # The outputs are the classes' tars or, for a large class set, the shard: one folder with the tars of all classes.
    shard = Path(snakemake.output.tars[0]) if not snakemake.output.manifests else None
    names = list(snakemake.params.domains) if shard else [Path(tar).stem for tar in snakemake.output.tars]
    wnids = snakemake.params.fetch.get("wnids", {})
    classes = [ImageClass(name, wnids.get(name, ""), snakemake.params.domains[name]) for name in names]
    options = source_options(snakemake.config["source"], *map(str, made[:1]), fetch=snakemake.config["fetch"])
    source = open_source(options)
    folder = shard or Path(snakemake.output.tars[0]).parent
    store, digests = ClassStore(folder, CLASS_SUFFIXES["tar"]), snakemake.config.get("class_digests", {})
    inputs = {} if shard else plan_digests(snakemake.input.plan, names)
    with store.making(digests, inputs, snakemake.rule) as left:
        classes = [one for one in classes if shard or one.name in left]
        if classes:
            fetch_classes(
                snakemake.input.plan,
                classes,
                snakemake.params.counts,
                folder,
                snakemake.params.cache,
                source.provide(classes),
                # Only settings in `params` affect the images. Timeouts and threads are not params: they rerun nothing.
                fetch_options({**snakemake.config["fetch"], **snakemake.params.fetch}),
                source.archive_downloader(classes),
            )
        source.release(classes)
        # Such classes are not copied to other image sets. Only lists of URLs name local files that are not hashed.
        inputs |= {name: "" for name in inputs if may_change(folder / f"{name}.tsv", source.over_network)}
    # A shard's date is not kept: it is a folder, and `keep_date` restores only the modification times of files.
    for path in [*snakemake.output.tars, *snakemake.output.manifests] if not shard else []:
        if not keep_date(path):
            logger.warning("%s differs from its earlier version; run again to update the files made from it.", path)
