# From conversations to a report.
#
# In:  results/<e>/runs/<run>/<seed>/, results/<e>/{funnel.json,words_missing.tsv}.
# Out: results/<e>/runs/<run>/<seed>/{analysis,language}.json; results/<e>/: summary.csv, summary.json, language.csv,
#      exchanges.csv, comparisons.csv, figures/*.{svg,pdf}, report.html.


rule analyse_run:
    input:
        messages=message_files(),
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
        mem_mb=2000,
        runtime=60,
    params:
        code=code("analyse_run"),
    message:
        "Analysing the conversations of run {wildcards.run}, seed {wildcards.seed}"
    script:
        "../scripts/analyse_run.py"


rule measure_language:
    input:
        messages=held_out_message_files(),
        descriptions=result("descriptions.csv"),
        words=result("words.hdf5"),
        parts=part_files(held_out_parts()),
        attributes=class_attributes(),
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
        mem_mb=2000,
        runtime=60,
    params:
        parts=held_out_parts(),
        ks=both_ks(),
        seed=CONFIG["seed"],
        code=code("measure_language"),
    message:
        "Measuring the messages of run {wildcards.run}, seed {wildcards.seed}"
    script:
        "../scripts/measure_language.py"


rule summarise_languages:
    input:
        languages=every_run("language.json"),
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
        "Bringing the measures of all messages together"
    script:
        "../scripts/summarise_languages.py"


rule tabulate_exchanges:
    input:
        analyses=every_run("analysis.json"),
        languages=every_run("language.json"),
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
        "Bringing together what conversations are like, exchange by exchange"
    script:
        "../scripts/tabulate_exchanges.py"


rule summarise:
    input:
        evaluations=every_run("evaluation.json"),
    output:
        csv=result("summary.csv"),
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
        evaluations=every_run("evaluation.json"),
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
        analyses=every_run("analysis.json"),
        logs=every_run("metrics.jsonl"),
        selections=every_run("selection.json"),
    output:
        svg=[reported_figure(name) for name in FIGURES],
        pdf=[result(f"figures/{name}.pdf") for name in FIGURES],
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
        "Drawing the figures"
    script:
        "../scripts/draw_figures.py"


rule build_report:
    input:
        summary=result("summary.json"),
        analyses=every_run("analysis.json"),
        logs=every_run("metrics.jsonl"),
        evaluations=every_run("evaluation.json"),
        selections=every_run("selection.json"),
        messages=every_run("messages.hdf5"),
        funnel=result("funnel.json") if FROM_IMAGES else [],
        tars=class_files("image", "tar") if FROM_IMAGES else [],
        missing=result("words_missing.tsv"),
        language=result("language.csv"),
        figures=[result(f"figures/{name}.svg") for name in FIGURES],
    output:
        report=result("report.html"),
    log:
        f"{LOGS}/build_report.log",
    benchmark:
        f"{BENCHMARKS}/build_report.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=CONFIG,
        code=code("build_report"),
    message:
        "Writing the report"
    script:
        "../scripts/build_report.py"
