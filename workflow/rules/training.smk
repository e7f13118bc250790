# Training and checkpoint selection: one job per run and seed, or per group of seeds.
#
# In:  results/<e>/<part>.hdf5, descriptions.csv, words.hdf5.
# Out: results/<e>/runs/<run>/<seed>/: config.json, metrics.jsonl, checkpoints/, best.pt, selection.json.


# One rule with the seed as a wildcard; if seeds share a job, one rule for each group of seeds.
for suffix, seeds in seed_groups(SEEDS, CONFIG["seeds_per_job"]).items():

    rule:
        name:
            f"train_run{suffix}"
        input:
            train=result("train.hdf5"),
            dev=result("dev.hdf5"),
            descriptions=result("descriptions.csv"),
            words=result("words.hdf5"),
            evaluation=VALUES.evaluation_descriptions(),
        output:
            config=RUN_PATHS.of_seeds("config.json", seeds),
            log=RUN_PATHS.of_seeds("metrics.jsonl", seeds),
            checkpoints=directory(RUN_PATHS.of_seeds("checkpoints", seeds)),
        log:
            f"{LOGS}/train_run/{{run}}-{'-'.join(seeds)}.log",
        benchmark:
            f"{BENCHMARKS}/train_run/{{run}}-{'-'.join(seeds)}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            # Activations grow with the number of seeds; the splits are in memory once.
            mem_mb=RESOURCES.memory_mb_of_run(500 * (len(seeds) - 1)),
            runtime=240,
            disk_mb=RESOURCES.training_disk_mb_of_inputs(len(seeds)),
            gpu=RESOURCES.gpus_of_run,
        params:
            runs=VALUES.run_configs(seeds),
            code=code("train_run"),
        message:
            f"Training run {{wildcards.run}} with {seeds_label(seeds)}"
        script:
            "../scripts/train_run.py"


rule select_checkpoint:
    input:
        log=run_file("metrics.jsonl"),
        checkpoints=run_file("checkpoints"),
    output:
        best=run_file("best.pt"),
        selection=run_file("selection.json"),
    log:
        f"{LOGS}/select_checkpoint/{{run}}-{{seed}}.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        rule=CONFIG["selection"]["rule"],
        code=code("select_checkpoint"),
    message:
        "Selecting the checkpoint of run {wildcards.run}, seed {wildcards.seed}"
    script:
        "../scripts/select_checkpoint.py"
