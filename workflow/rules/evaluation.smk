# Evaluation of the selected checkpoints: metrics, messages, attention and interventions.
#
# In:  results/<e>/<part>.hdf5, descriptions.csv, words.hdf5; results/<e>/runs/<run>/<seed>/best.pt.
# Out: results/<e>/runs/<run>/<seed>/: evaluation.json, flips.json, messages.hdf5, messages.<part>.hdf5,
#      interventions.json, and with evaluation.keep_attention, attention.hdf5, attention.<part>.hdf5.


rule evaluate_run:
    input:
        best=run_file("best.pt"),
        parts=PATHS.split_files(),
        descriptions=VALUES.evaluation_descriptions() or result("descriptions.csv"),
        words=result("words.hdf5"),
    output:
        evaluation=run_file("evaluation.json"),
        flips=run_file("flips.json"),
    log:
        f"{LOGS}/evaluate_run/{{run}}-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate_run/{{run}}-{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.memory_mb_of_run(RESOURCES.final_scores_mb),
        runtime=60,
    params:
        parts=list(PATHS.parts),
        ks=VALUES.topk_values(),
        about=VALUES.run_name,
        most=CONFIG["evaluation"]["recorded_images"],
        code=code("evaluate_run"),
    message:
        "Evaluating run {wildcards.run}, seed {wildcards.seed}"
    script:
        "../scripts/evaluate_run.py"


rule extract_messages:
    input:
        best=run_file("best.pt"),
        parts=PATHS.split_files(),
        descriptions=VALUES.evaluation_descriptions() or result("descriptions.csv"),
        words=result("words.hdf5"),
    output:
        messages=RUN_PATHS.messages(),
    log:
        f"{LOGS}/extract_messages/{{run}}-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/extract_messages/{{run}}-{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.memory_mb_of_run(RESOURCES.dialogues_mb),
        runtime=60,
    params:
        parts=list(PATHS.parts),
        questions=RUN_PATHS.eval_set_names(),
        about=VALUES.run_name,
        most=CONFIG["evaluation"]["recorded_images"],
        code=code("extract_messages"),
    message:
        "Recording the dialogues of run {wildcards.run}, seed {wildcards.seed}"
    script:
        "../scripts/extract_messages.py"


if VALUES.attending_runs:

    rule extract_attention:
        input:
            best=run_file("best.pt"),
            parts=PATHS.split_files(),
            descriptions=VALUES.evaluation_descriptions() or result("descriptions.csv"),
            words=result("words.hdf5"),
        output:
            attention=RUN_PATHS.attention(),
        log:
            f"{LOGS}/extract_attention/{{run}}-{{seed}}.log",
        benchmark:
            f"{BENCHMARKS}/extract_attention/{{run}}-{{seed}}.tsv"
        wildcard_constraints:
            run="|".join(map(re.escape, VALUES.attending_runs)),
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=RESOURCES.memory_mb_of_run(),
            runtime=60,
        params:
            parts=list(PATHS.parts),
            questions=RUN_PATHS.eval_set_names(),
            about=VALUES.run_name,
            most=CONFIG["evaluation"]["recorded_images"],
            code=code("extract_attention"),
        message:
            "Recording the attention of run {wildcards.run}, seed {wildcards.seed}"
        script:
            "../scripts/extract_attention.py"


# All seeds of a run in one job, because importing torch takes longer than evaluating one.
rule intervene_run:
    input:
        best=RUN_PATHS.of_seeds("best.pt", SEEDS),
        parts=PATHS.split_files(PATHS.intervened_parts),
        descriptions=VALUES.evaluation_descriptions() or result("descriptions.csv"),
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
        ks=VALUES.topk_values(),
        experiment=PATHS.experiment,
        seeds=SEEDS,
        most=CONFIG["evaluation"]["recorded_images"],
        code=code("intervene_run"),
    message:
        "Evaluating run {wildcards.run} with interventions"
    script:
        "../scripts/intervene_run.py"
