# From a source of images to each class's tar and manifest, and the final splits.
#
# In:  the source that config.source names.
# Out: resources/world/<hash>/: urls.txt and a folder of images per class; or resources/urls/<hash>.list;
#      or resources/datasets/<hash>/: <class>.tar;
#      or resources/urls/<hash>.tsv, and resources/archives/ as a cache;
#      resources/plans/<pool>/: candidates.tsv, plan.tsv;
#      resources/images/<pool>/: <class>.tar, <class>.tsv;
#      resources/hashes/<pool>/<class>.tsv;
#      results/<e>/: config.yaml, plan.tsv, splits.tsv, classes.tsv, funnel.json, near_copies.tsv,
#      data_card.md, images.tsv.


rule write_config:
    output:
        config=result("config.yaml"),
    log:
        f"{LOGS}/write_config.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=5,
    params:
        config=CONFIG,
        code=code("write_config"),
    message:
        "Writing the complete config"
    script:
        "../scripts/write_config.py"


if VALUES.source_kind == "world":

    rule draw_world:
        output:
            urls=PATHS.url_list,
            pictures=directory(VALUES.made_images()),
        log:
            f"{LOGS}/draw_world.log",
        benchmark:
            f"{BENCHMARKS}/draw_world.tsv"
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=30,
            disk_mb=RESOURCES.world_disk_mb(),
        params:
            creatures=[one.name for one in CLASSES],
            images_per_class=CONFIG["source"]["world"]["images_per_class"],
            size_px=CONFIG["source"]["world"]["size_px"],
            seed=CONFIG["seed"],
            code=code("draw_world"),
        message:
            "Drawing the world"
        script:
            "../scripts/draw_world.py"


if VALUES.source_kind == "url_list":

    rule download_urls:
        output:
            urls=PATHS.url_list,
        log:
            f"{LOGS}/download_urls.log",
        benchmark:
            f"{BENCHMARKS}/download_urls.tsv"
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=120,
            net=1,
        params:
            code=code("download_urls"),
        message:
            "Downloading the URL list"
        script:
            "../scripts/download_urls.py"


if VALUES.source_kind == "torchvision":

    rule download_dataset:
        output:
            tars=directory(VALUES.made_images()),
        log:
            f"{LOGS}/download_dataset.log",
        benchmark:
            f"{BENCHMARKS}/download_dataset.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=6000,
            runtime=720,
            net=1,
        params:
            classes=VALUES.class_table("name", "wnid", "domain"),
            code=code("download_dataset"),
        message:
            "Downloading and packing a dataset of torchvision"
        script:
            "../scripts/download_dataset.py"


# No digest of the code, as for a fetch: an edit must not repeat large downloads. The path has a hash of all settings.
if VALUES.lists_archives:

    rule list_archives:
        output:
            urls=PATHS.url_list,
        log:
            f"{LOGS}/list_archives.log",
        benchmark:
            f"{BENCHMARKS}/list_archives.tsv"
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            **RESOURCES.archive_disk(),
            mem_mb=1500,
            runtime=720,
            net=RESOURCES.fetch_connections(),
        params:
            classes=VALUES.class_table("name", "wnid", "domain"),
        message:
            "Listing the images in the source's archives"
        script:
            "../scripts/list_archives.py"


if VALUES.from_images:

    rule select_classes:
        input:
            urls=PATHS.url_list or [],
            tars=VALUES.made_images() if VALUES.source_kind == "torchvision" else [],
        output:
            candidates=PATHS.plan("candidates.tsv"),
        log:
            f"{LOGS}/select_classes.log",
        benchmark:
            f"{BENCHMARKS}/select_classes.tsv"
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=60,
        params:
            classes=VALUES.class_table("name", "wnid", "domain"),
            # A function, or Snakemake's lint takes the folder for the beginning of an output's path.
            world=lambda wildcards: PATHS.world,
            counts=CONFIG["split"],
            code=code("select_classes"),
        message:
            "Selecting each class's candidates"
        script:
            "../scripts/select_classes.py"

    rule split:
        input:
            candidates=PATHS.plan("candidates.tsv"),
        output:
            plan=PATHS.plan("plan.tsv"),
        log:
            f"{LOGS}/split.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            classes=VALUES.class_table("name", "wnid", "domain"),
            counts=CONFIG["split"],
            seed=CONFIG["seed"],
            code=code("split"),
        message:
            "Assigning the candidates to splits"
        script:
            "../scripts/split.py"

    rule publish_plan:
        input:
            plan=PATHS.plan("plan.tsv"),
        output:
            plan=result("plan.tsv"),
        log:
            f"{LOGS}/publish_plan.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=200,
            runtime=5,
        params:
            code=code("publish_plan"),
        message:
            "Publishing the plan"
        script:
            "../scripts/publish_plan.py"

    # The plan is ancient, so that an edit of code or a new time stamp never repeats a fetch: its content depends on
    # values that are hashed in the pool's name. If an edit does change it, `settle` reports that a fetch must be
    # forced. Drawn images are inputs because a node may have its own disk, and ancient for the same reason. All are
    # inputs of every job, because other inputs for another grouping of classes would fetch again.
    for label, group in FETCH_GROUPS.items():

        rule:
            name:
                f"fetch_images_{label}"
            input:
                plan=ancient(PATHS.plan("plan.tsv")),
                pictures=ancient(VALUES.made_images()),
            output:
                tars=PATHS.class_outputs("tar", group, directory),
                manifests=PATHS.class_outputs("tsv", group, directory),
            log:
                f"{LOGS}/fetch_images/{label}.log",
            benchmark:
                f"{BENCHMARKS}/fetch_images/{label}.tsv"
            conda:
                "../../envs/data.yaml"
            threads: 1
            resources:
                mem_mb=1500,
                runtime=720,
                disk_mb=RESOURCES.fetch_disk_mb(group),
                net=RESOURCES.fetch_connections(),
            params:
                domains=VALUES.domains(group),
                counts=CONFIG["split"],
                fetch=VALUES.fetch_settings(),
                cache=CACHE_FOLDER,
            message:
                f"{'Reusing' if label == REUSED else 'Fetching'} the images of {group_label(group)}"
            script:
                "../scripts/fetch_images.py"

    if VALUES.compares_images:
        # Not fetch.classes_per_job, so that a change of it does not hash the images again.
        for label, group in VALUES.job_groups(
            "hash", None, code("hash_images")
        ).items():

            rule:
                name:
                    f"hash_images_{label}"
                input:
                    tars=PATHS.class_files("tar", group),
                output:
                    hashes=PATHS.class_outputs("hash", group, directory),
                log:
                    f"{LOGS}/hash_images/{label}.log",
                benchmark:
                    f"{BENCHMARKS}/hash_images/{label}.tsv"
                conda:
                    "../../envs/data.yaml"
                threads: 2
                resources:
                    mem_mb=1000,
                    runtime=60,
                params:
                    code=code("hash_images"),
                message:
                    f"{'Reusing' if label == REUSED else 'Computing'} perceptual hashes of the images of {group_label(group)}"
                script:
                    "../scripts/hash_images.py"

    rule settle:
        input:
            plan=PATHS.plan("plan.tsv"),
            manifests=VALUES.class_files("tsv"),
            hashes=VALUES.class_files("hash") if VALUES.compares_images else [],
        output:
            splits=result("splits.tsv"),
            funnel=result("funnel.json"),
            near_copies=result("near_copies.tsv") if VALUES.compares_images else [],
        log:
            f"{LOGS}/settle.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            classes=VALUES.class_table("name", "wnid", "domain"),
            counts=CONFIG["split"],
            fetch=VALUES.dedup_settings(),
            code=code("settle"),
        message:
            "Selecting the final images of each split"
        script:
            "../scripts/settle.py"

    # Separate from `settle`, which a new group, description or k must not rerun.
    rule write_classes:
        input:
            funnel=result("funnel.json"),
        output:
            classes=result("classes.tsv"),
        log:
            f"{LOGS}/write_classes.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=5,
        params:
            classes=VALUES.class_table("name", "wnid", "domain", "group", "description"),
            evaluation=VALUES.checked_ks(),
            code=code("write_classes"),
        message:
            "Writing the classes that are used"
        script:
            "../scripts/write_classes.py"

    rule write_data_card:
        input:
            splits=result("splits.tsv"),
            funnel=result("funnel.json"),
            classes=result("classes.tsv"),
            manifests=VALUES.class_files("tsv"),
            urls=ancient(PATHS.url_list) if VALUES.source_kind == "url_list" else [],
        output:
            card=result("data_card.md"),
            images=result("images.tsv"),
        log:
            f"{LOGS}/write_data_card.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            source=CONFIG["source"],
            world=lambda wildcards: PATHS.world,
            about={
                "experiment": PATHS.experiment,
                "seed": CONFIG["seed"],
                "pool": PATHS.pool,
                "obeys_robots_tag": CONFIG["fetch"]["obey_robots_tag"],
                "class_set": CONFIG["classes"],
            },
            exclude=CONFIG["fetch"]["exclude"],
            code=code("write_data_card"),
        message:
            "Writing the data card"
        script:
            "../scripts/write_data_card.py"
