# Dialogues in the formats of other tools, and tables for a paper; on request.
#
# In:  results/<e>/runs/<run>/<seed>/messages*.hdf5, results/<e>/{descriptions.csv,summary.csv,summary.json}, and if
#      the experiment has them, results/<e>/{data_card.md,classes.tsv,attributes.tsv}.
# Out: results/<e>/export/: messages.parquet, elcc/, emlangkit/, hub/; results/<e>/tables/<name>.{md,tex}.


rule export_parquet:
    input:
        messages=RUN_PATHS.all_messages(),
        classes=VALUES.of_images("classes.tsv"),
    output:
        table=result("export/messages.parquet"),
    log:
        f"{LOGS}/export_parquet.log",
    benchmark:
        f"{BENCHMARKS}/export_parquet.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        experiment=PATHS.experiment,
        code=code("export_parquet"),
    message:
        "Writing all dialogues as one Parquet file"
    script:
        "../scripts/export_parquet.py"


rule export_corpora:
    input:
        messages=RUN_PATHS.all_messages(),
        descriptions=result("descriptions.csv"),
    output:
        elcc=directory(result("export/elcc")),
    log:
        f"{LOGS}/export_corpora.log",
    benchmark:
        f"{BENCHMARKS}/export_corpora.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        experiment=PATHS.experiment,
        drawn=VALUES.source_kind == "world",
        code=code("export_corpora"),
    message:
        "Writing all dialogues as corpora"
    script:
        "../scripts/export_corpora.py"


rule export_arrays:
    input:
        messages=RUN_PATHS.all_messages(),
        attributes=VALUES.attributes(),
    output:
        emlangkit=directory(result("export/emlangkit")),
    log:
        f"{LOGS}/export_arrays.log",
    benchmark:
        f"{BENCHMARKS}/export_arrays.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        code=code("export_arrays"),
    message:
        "Writing messages and attributes as arrays"
    script:
        "../scripts/export_arrays.py"


rule export_hub:
    input:
        messages=RUN_PATHS.all_messages(),
        classes=VALUES.of_images("classes.tsv"),
        summary=result("summary.csv"),
        card=VALUES.of_images("data_card.md"),
    output:
        dataset=directory(result("export/hub")),
    log:
        f"{LOGS}/export_hub.log",
    benchmark:
        f"{BENCHMARKS}/export_hub.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        experiment=PATHS.experiment,
        games=VALUES.games(),
        code=code("export_hub"),
    message:
        "Writing all dialogues as a dataset for the Hugging Face Hub"
    script:
        "../scripts/export_hub.py"


if CONFIG["tables"]:

    rule write_tables:
        input:
            summary=result("summary.json"),
        output:
            tables=VALUES.tables(),
        log:
            f"{LOGS}/write_tables.log",
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        params:
            tables=CONFIG["tables"],
            code=code("write_tables"),
        message:
            "Writing tables for a paper"
        script:
            "../scripts/write_tables.py"
