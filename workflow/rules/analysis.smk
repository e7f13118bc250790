# From recorded dialogues to the report.
#
# In:  results/<e>/runs/<run>/<seed>/, results/<e>/{funnel.json,words_missing.tsv,descriptions.csv}.
# Out: results/<e>/runs/<run>/<seed>/{analysis,language}.json; results/<e>/: summary.csv, summary.json, language.csv,
#      exchanges.csv, comparisons.csv, figures/*.{svg,pdf}, browser.html, report.html. The report reads times and memory
#      from benchmarks/.


rule analyse_run:
    input:
        messages=RUN_PATHS.messages(),
        evaluation=run_file("evaluation.json"),
    output:
        analysis=run_file("analysis.json"),
    log:
        f"{LOGS}/analyse_run/{{run}}-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/analyse_run/{{run}}-{{seed}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        code=code("analyse_run"),
    message:
        "Analysing the dialogues of run {wildcards.run}, seed {wildcards.seed}"
    script:
        "../scripts/analyse_run.py"


rule measure_language:
    input:
        messages=RUN_PATHS.held_out_messages(),
        descriptions=result("descriptions.csv"),
        words=result("words.hdf5"),
        parts=PATHS.split_files(PATHS.held_out_parts),
        attributes=INPUTS.attributes(),
    output:
        language=run_file("language.json"),
    log:
        f"{LOGS}/measure_language/{{run}}-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_language/{{run}}-{{seed}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        parts=PATHS.held_out_parts,
        ks=PARAMS.topk_values(),
        seed=CONFIG["seed"],
        code=code("measure_language"),
    message:
        "Measuring the messages of run {wildcards.run}, seed {wildcards.seed}"
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


rule draw_figures:
    input:
        summary=result("summary.json"),
    output:
        svg=[reported_figure(OVERVIEW.name)],
        pdf=[result(f"figures/{OVERVIEW.name}.pdf")],
    log:
        f"{LOGS}/draw_figures.log",
    benchmark:
        f"{BENCHMARKS}/draw_figures.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("draw_figures"),
    message:
        "Drawing the figure of all runs"
    script:
        "../scripts/draw_figures.py"


# One job per run, so that a run added to a grid does not redraw the figures of the others.
rule draw_run_figures:
    input:
        analyses=RUN_PATHS.of_seeds("analysis.json", SEEDS),
        logs=RUN_PATHS.of_seeds("metrics.jsonl", SEEDS),
        selections=RUN_PATHS.of_seeds("selection.json", SEEDS),
        flips=RUN_PATHS.of_seeds("flips.json", SEEDS),
    output:
        svg=[reported_figure(name, "{run}") for name in run_figure_names("{run}")],
        pdf=[result(f"figures/{name}.pdf") for name in run_figure_names("{run}")],
    log:
        f"{LOGS}/draw_run_figures/{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/draw_run_figures/{{run}}.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("draw_run_figures"),
    message:
        "Drawing the figures of run {wildcards.run}"
    script:
        "../scripts/draw_run_figures.py"


rule build_report:
    input:
        summary=result("summary.json"),
        analyses=run_files("analysis.json"),
        logs=run_files("metrics.jsonl"),
        evaluations=run_files("evaluation.json"),
        selections=run_files("selection.json"),
        messages=run_files("messages.hdf5"),
        flips=run_files("flips.json"),
        funnel=INPUTS.of_images("funnel.json"),
        tars=INPUTS.class_files("tar") if INPUTS.from_images else [],
        missing=result("words_missing.tsv"),
        language=result("language.csv"),
        figures=[result(f"figures/{name}.svg") for name in figure_names(RUNS)],
        # Not read: the page links to those of these files that exist.
        beside=INPUTS.linked_by_report(),
    output:
        report=report(
            result("report.html"),
            caption="../report/report.rst",
            category="Report",
            labels={"figure": "the whole page", "run": "all"},
        ),
    log:
        f"{LOGS}/build_report.log",
    benchmark:
        f"{BENCHMARKS}/build_report.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000 + RESOURCES.dialogues_mb,
        runtime=30,
    params:
        config=CONFIG,
        benchmarks=BENCHMARKS,
        stages=INPUTS.source_stages(),
        code=code("build_report"),
    message:
        "Writing the report"
    script:
        "../scripts/build_report.py"


rule build_browser:
    input:
        messages=RUN_PATHS.all_messages(),
        attention=RUN_PATHS.all_attention(INPUTS.attending_runs),
        descriptions=result("descriptions.csv"),
        tars=INPUTS.class_files("tar") if INPUTS.from_images else [],
        # For the part of an image that the network saw, which is the same in all splits.
        features=PATHS.split_files()[0] if INPUTS.attending_runs else [],
    output:
        page=result("browser.html"),
    log:
        f"{LOGS}/build_browser.log",
    benchmark:
        f"{BENCHMARKS}/build_browser.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=3000 + RESOURCES.dialogues_mb,
        runtime=60,
    params:
        experiment=PATHS.experiment,
        max_mb=CONFIG["browser"]["max_mb"],
        code=code("build_browser"),
    message:
        "Building the page of all dialogues"
    script:
        "../scripts/build_browser.py"
