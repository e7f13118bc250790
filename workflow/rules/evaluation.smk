# Evaluation of the selected checkpoints: metrics, messages, attention and interventions.
#
# In:  results/<e>/<part>.hdf5, descriptions.csv, words.hdf5; results/<e>/runs/<run>/<seed>/best.pt.
# Out: results/<e>/runs/<run>/<seed>/: evaluation.json, flips.json, messages.hdf5, messages.<part>.hdf5,
#      interventions.json, and with evaluation.keep_attention, attention.hdf5, attention.<part>.hdf5.


# Seeds that are trained together are evaluated together, because importing torch takes longer than evaluating one.
for suffix, seeds in seed_groups(SEEDS, CONFIG["seeds_per_job"]).items():

    rule:
        name:
            f"evaluate_run{suffix}"
        input:
            best=RUN_PATHS.of_seeds("best.pt", seeds),
            parts=PATHS.split_files(),
            descriptions=VALUES.evaluation_descriptions() or result("descriptions.csv"),
            words=result("words.hdf5"),
        output:
            evaluation=RUN_PATHS.of_seeds("evaluation.json", seeds),
            flips=RUN_PATHS.of_seeds("flips.json", seeds),
        log:
            f"{LOGS}/evaluate_run/{{run}}-{'-'.join(seeds)}.log",
        benchmark:
            f"{BENCHMARKS}/evaluate_run/{{run}}-{'-'.join(seeds)}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=RESOURCES.memory_mb_of_run(RESOURCES.final_scores_mb),
            runtime=60 * len(seeds),
        params:
            parts=list(PATHS.parts),
            ks=VALUES.topk_values(),
            runs=VALUES.run_names(seeds),
            most=CONFIG["evaluation"]["recorded_images"],
            code=code("evaluate_run"),
        message:
            f"Evaluating run {{wildcards.run}}, {seeds_label(seeds)}"
        script:
            "../scripts/evaluate_run.py"

    rule:
        name:
            f"extract_messages{suffix}"
        input:
            best=RUN_PATHS.of_seeds("best.pt", seeds),
            parts=PATHS.split_files(),
            descriptions=VALUES.evaluation_descriptions() or result("descriptions.csv"),
            words=result("words.hdf5"),
        output:
            messages=RUN_PATHS.messages(seeds),
        log:
            f"{LOGS}/extract_messages/{{run}}-{'-'.join(seeds)}.log",
        benchmark:
            f"{BENCHMARKS}/extract_messages/{{run}}-{'-'.join(seeds)}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=RESOURCES.memory_mb_of_run(RESOURCES.dialogues_mb),
            runtime=60 * len(seeds),
        params:
            parts=list(PATHS.parts),
            questions=RUN_PATHS.eval_set_names(),
            runs=VALUES.run_names(seeds),
            most=CONFIG["evaluation"]["recorded_images"],
            code=code("extract_messages"),
        message:
            f"Recording the dialogues of run {{wildcards.run}}, {seeds_label(seeds)}"
        script:
            "../scripts/extract_messages.py"

    if VALUES.attending_runs:

        rule:
            name:
                f"extract_attention{suffix}"
            input:
                best=RUN_PATHS.of_seeds("best.pt", seeds),
                parts=PATHS.split_files(),
                descriptions=VALUES.evaluation_descriptions()
                or result("descriptions.csv"),
                words=result("words.hdf5"),
            output:
                attention=RUN_PATHS.attention(seeds),
            log:
                f"{LOGS}/extract_attention/{{run}}-{'-'.join(seeds)}.log",
            benchmark:
                f"{BENCHMARKS}/extract_attention/{{run}}-{'-'.join(seeds)}.tsv"
            wildcard_constraints:
                run="|".join(map(re.escape, VALUES.attending_runs)),
            conda:
                "../../envs/torch.yaml"
            threads: 1
            resources:
                mem_mb=RESOURCES.memory_mb_of_run(),
                runtime=60 * len(seeds),
            params:
                parts=list(PATHS.parts),
                questions=RUN_PATHS.eval_set_names(),
                runs=VALUES.run_names(seeds),
                most=CONFIG["evaluation"]["recorded_images"],
                code=code("extract_attention"),
            message:
                f"Recording the attention of run {{wildcards.run}}, {seeds_label(seeds)}"
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
        runs=VALUES.run_names(SEEDS),
        most=CONFIG["evaluation"]["recorded_images"],
        code=code("intervene_run"),
    message:
        "Evaluating run {wildcards.run} with interventions"
    script:
        "../scripts/intervene_run.py"
