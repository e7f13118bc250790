# From each class's images to each split's features.
#
# In:  resources/images/<pool>/<class>.tar, results/<e>/splits.tsv; or given HDF5 files.
# Out: resources/features/<network>/<pool>/<class>.hdf5, results/<e>/<part>.hdf5.


if VALUES.from_images:

    FEATURE_GROUPS = VALUES.job_groups(
        "hdf5", CONFIG["features"]["classes_per_job"], code("extract_features")
    )
    # A job on a cluster sees the cores of its own node.
    EXTRACTION_CORES = (
        None if workflow.remote_exec else workflow.resource_settings.cores
    )

    for label, group in FEATURE_GROUPS.items():

        rule:
            name:
                f"extract_features_{label}"
            input:
                tars=PATHS.class_files("tar", group),
            output:
                features=PATHS.class_outputs("hdf5", group, directory),
            log:
                f"{LOGS}/extract_features/{label}.log",
            benchmark:
                f"{BENCHMARKS}/extract_features/{label}.tsv"
            conda:
                "../../envs/torch.yaml"
            threads: extraction_threads(len(FEATURE_GROUPS), EXTRACTION_CORES)
            resources:
                mem_mb=4000,
                runtime=240,
                disk_mb=RESOURCES.features_disk_mb_of_inputs(group),
                gpu=gpus(CONFIG["features"]["device"]),
            params:
                weights_folder=WEIGHTS_FOLDER,
                code=code("extract_features"),
            message:
                f"{'Reusing' if label == REUSED else 'Extracting'} the features of {group_label(group)}"
            script:
                "../scripts/extract_features.py"

    rule gather_features:
        input:
            splits=result("splits.tsv"),
            funnel=VALUES.classes_if_dropped(),
            features=VALUES.class_files("hdf5"),
        output:
            part=result("{part}.hdf5"),
        log:
            f"{LOGS}/gather_features/{{part}}.log",
        benchmark:
            f"{BENCHMARKS}/gather_features/{{part}}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            classes=VALUES.class_table("name", "wnid", "domain"),
            gather=CONFIG["features"]["gather"],
            code=code("gather_features"),
        message:
            "Gathering the features of the {wildcards.part} split"
        script:
            "../scripts/gather_features.py"

else:

    rule import_features:
        input:
            part=VALUES.given_features,
            earlier=VALUES.earlier_splits,  # They must not contain the same images.
        output:
            part=result("{part}.hdf5"),
        log:
            f"{LOGS}/import_features/{{part}}.log",
        localrule: True
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=30,
        params:
            content=VALUES.given_features_digest,
            code=code("import_features"),
        message:
            "Importing the features of the {wildcards.part} split"
        script:
            "../scripts/import_features.py"
