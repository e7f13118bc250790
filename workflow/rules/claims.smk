# Tests of the paper's and other claims on the experiment's runs.
#
# In:  results/<e>/runs/<run>/<seed>/{evaluation,interventions}.json, messages.hdf5, messages.<part>.hdf5;
#      results/<e>/difficulty.csv.
# Out: results/<e>/claims.{csv,json,md}.


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
        games=PARAMS.games(),
        seeds=SEEDS,
        code=code("judge_claims"),
    message:
        "Putting the claims to the test"
    script:
        "../scripts/judge_claims.py"
