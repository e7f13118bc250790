# From recorded dialogues to tables over runs and seeds, and the claims tested on them.
#
# In:  results/<e>/runs/<run>/<seed>/, results/<e>/{<part>.hdf5,descriptions.csv,words.hdf5}.
# Out: results/<e>/runs/<run>/<seed>/{analysis,language}.json; results/<e>/: summary.csv, summary.json, language.csv,
#      exchanges.csv, comparisons.csv, difficulty.csv, difficulty.json, interventions.csv, agreement.csv,
#      claims.{csv,json,md}.


# Seeds that are trained together are analysed together, because a job takes half a second to start.
for suffix, seeds in seed_groups(SEEDS, CONFIG["seeds_per_job"]).items():

    rule:
        name:
            f"analyse_run{suffix}"
        input:
            messages=RUN_PATHS.messages(seeds),
            evaluation=RUN_PATHS.of_seeds("evaluation.json", seeds),
        output:
            analysis=RUN_PATHS.of_seeds("analysis.json", seeds),
        log:
            f"{LOGS}/analyse_run/{{run}}-{'-'.join(seeds)}.log",
        benchmark:
            f"{BENCHMARKS}/analyse_run/{{run}}-{'-'.join(seeds)}.tsv"
        conda:
            "../../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=2000 + RESOURCES.dialogues_mb,
            runtime=60 * len(seeds),
        params:
            code=code("analyse_run"),
        message:
            f"Analysing the dialogues of run {{wildcards.run}}, {seeds_label(seeds)}"
        script:
            "../scripts/analyse_run.py"

    rule:
        name:
            f"measure_language{suffix}"
        input:
            messages=RUN_PATHS.held_out_messages(seeds),
            descriptions=result("descriptions.csv"),
            words=result("words.hdf5"),
            parts=PATHS.split_files(PATHS.held_out_parts),
            attributes=VALUES.attributes(),
        output:
            language=RUN_PATHS.of_seeds("language.json", seeds),
        log:
            f"{LOGS}/measure_language/{{run}}-{'-'.join(seeds)}.log",
        benchmark:
            f"{BENCHMARKS}/measure_language/{{run}}-{'-'.join(seeds)}.tsv"
        conda:
            "../../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=2000 + RESOURCES.dialogues_mb,
            runtime=60 * len(seeds),
        params:
            parts=PATHS.held_out_parts,
            ks=VALUES.topk_values(),
            seed=CONFIG["seed"],
            code=code("measure_language"),
        message:
            f"Measuring the messages of run {{wildcards.run}}, {seeds_label(seeds)}"
        script:
            "../scripts/measure_language.py"


rule summarise_languages:
    input:
        languages=run_files("language.json"),
    output:
        table=result("language.csv"),
    log:
        f"{LOGS}/summarise_languages.log",
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
        code=code("summarise_languages"),
    message:
        "Collecting the metrics of messages of all runs"
    script:
        "../scripts/summarise_languages.py"


rule tabulate_exchanges:
    input:
        analyses=run_files("analysis.json"),
        languages=run_files("language.json"),
    output:
        table=result("exchanges.csv"),
    log:
        f"{LOGS}/tabulate_exchanges.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        runs=RUNS,
        code=code("tabulate_exchanges"),
    message:
        "Collecting the metrics by exchange of all runs"
    script:
        "../scripts/tabulate_exchanges.py"


rule summarise:
    input:
        evaluations=run_files("evaluation.json"),
    output:
        csv=report(
            result("summary.csv"),
            caption="../report/summary.rst",
            category="Report",
            labels={"figure": "the results as a table", "run": "all"},
        ),
        json=result("summary.json"),
    log:
        f"{LOGS}/summarise.log",
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
        code=code("summarise"),
    message:
        "Summarising all runs"
    script:
        "../scripts/summarise.py"


rule compare_runs:
    input:
        evaluations=run_files("evaluation.json"),
    output:
        table=result("comparisons.csv"),
    log:
        f"{LOGS}/compare_runs.log",
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
        code=code("compare_runs"),
    message:
        "Comparing the runs with each other"
    script:
        "../scripts/compare_runs.py"


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
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        parts=PATHS.seen_parts,
        layers=classifier_layers(CONFIG),
        code=code("measure_difficulty"),
    message:
        "Measuring the difficulty of the classes"
    script:
        "../scripts/measure_difficulty.py"


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


rule judge_claims:
    input:
        evaluations=run_files("evaluation.json", evaluated_runs(CONFIG["claims"])),
        interventions=run_files("interventions.json", intervened_runs(CONFIG["claims"])),
        messages=RUN_PATHS.messages_about(conversations_of(CONFIG["claims"])),
        difficulty=(
            result("difficulty.csv") if takes_classifier(CONFIG["claims"]) else []
        ),
    output:
        table=result("claims.csv"),
        json=result("claims.json"),
        markdown=result("claims.md"),
    log:
        f"{LOGS}/judge_claims.log",
    benchmark:
        f"{BENCHMARKS}/judge_claims.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        # The dialogues of all seeds of a run are compared.
        mem_mb=3000 + len(SEEDS) * RESOURCES.dialogues_mb,
        runtime=60,
    params:
        claims=CONFIG["claims"],
        games=VALUES.games(),
        seeds=SEEDS,
        code=code("judge_claims"),
    message:
        "Putting the claims to the test"
    script:
        "../scripts/judge_claims.py"
