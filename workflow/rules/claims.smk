# What was claimed of the game, put to the test on the experiment's runs.
#
# In:  results/<e>/runs/<run>/<seed>/{evaluation,interventions}.json, messages.hdf5, messages.<part>.hdf5;
#      results/<e>/difficulty.csv.
# Out: results/<e>/claims.{csv,json,md}.


rule judge_claims:
    input:
        evaluations=expand(
            run_file("evaluation.json"), run=evaluated_runs(CLAIMED), seed=SEEDS
        ),
        interventions=expand(
            run_file("interventions.json"), run=intervened_runs(CLAIMED), seed=SEEDS
        ),
        messages=claimed_messages(),
        difficulty=result("difficulty.csv") if takes_classifier(CLAIMED) else [],
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
        # The conversations of all seeds of a run are compared.
        mem_mb=3000 + len(SEEDS) * CONVERSATIONS_MB,
        runtime=60,
    params:
        claims=CLAIMED,
        games={run: run_settings(CONFIG, run)["game"] for run in RUNS},
        seeds=SEEDS,
        code=code("judge_claims"),
    message:
        "Putting the claims to the test"
    script:
        "../scripts/judge_claims.py"
