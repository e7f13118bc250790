# Explanations of an accuracy: the difficulty of the classes, the effect of messages, and the agreement of seeds.
#
# In:  results/<e>/<part>.hdf5, descriptions.csv, words.hdf5; results/<e>/runs/<run>/<seed>/: best.pt, messages.hdf5,
#      messages.<part>.hdf5.
# Out: results/<e>/runs/<run>/<seed>/interventions.json; results/<e>/: difficulty.csv, difficulty.json, interventions.csv,
#      agreement.csv.


rule measure_difficulty:
    input:
        parts=PATHS.split_files(PATHS.seen_parts),
        descriptions=result("descriptions.csv"),
    output:
        table=result("difficulty.csv"),
        overall=result("difficulty.json"),
    log:
        f"{LOGS}/measure_difficulty.log",
    benchmark:
        f"{BENCHMARKS}/measure_difficulty.tsv"
    # Long, and few jobs need it: if it starts early, nothing waits for it at the end.
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        parts=PATHS.seen_parts,
        layer=classifier_layer(CONFIG),
        code=code("measure_difficulty"),
    message:
        "Measuring the difficulty of the classes"
    script:
        "../scripts/measure_difficulty.py"


# All seeds of a run in one job, because importing torch takes longer than evaluating one.
rule intervene_run:
    input:
        best=RUN_PATHS.of_seeds("best.pt", SEEDS),
        parts=PATHS.split_files(PATHS.intervened_parts),
        descriptions=INPUTS.evaluation_descriptions() or result("descriptions.csv"),
        words=result("words.hdf5"),
    output:
        interventions=RUN_PATHS.of_seeds("interventions.json", SEEDS),
    log:
        f"{LOGS}/intervene_run/{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/intervene_run/{{run}}.tsv"
    # Long, and few jobs need it: if it starts early, nothing waits for it at the end.
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.memory_mb_of_run(RESOURCES.final_scores_mb),
        runtime=120,
    params:
        parts=PATHS.intervened_parts,
        ks=PARAMS.topk_values(),
        experiment=PATHS.experiment,
        seeds=SEEDS,
        most=CONFIG["evaluation"]["recorded_images"],
        code=code("intervene_run"),
    message:
        "Evaluating run {wildcards.run} with interventions"
    script:
        "../scripts/intervene_run.py"


rule summarise_interventions:
    input:
        interventions=run_files("interventions.json"),
    output:
        table=result("interventions.csv"),
    log:
        f"{LOGS}/summarise_interventions.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        runs=RUNS,
        seeds=SEEDS,
        code=code("summarise_interventions"),
    message:
        "Collecting the interventions of all runs"
    script:
        "../scripts/summarise_interventions.py"


rule measure_agreement:
    input:
        messages=RUN_PATHS.all_messages(),
    output:
        table=result("agreement.csv"),
    log:
        f"{LOGS}/measure_agreement.log",
    benchmark:
        f"{BENCHMARKS}/measure_agreement.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        runs=RUNS,
        seed=CONFIG["seed"],
        code=code("measure_agreement"),
    message:
        "Comparing the seeds of each run with each other"
    script:
        "../scripts/measure_agreement.py"
