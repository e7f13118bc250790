# From conversations to a report.
#
# In:  results/<e>/runs/<run>/<seed>/, results/<e>/{funnel.json,words_missing.tsv,descriptions.csv}.
# Out: results/<e>/runs/<run>/<seed>/{analysis,language}.json; results/<e>/: summary.csv, summary.json, language.csv,
#      exchanges.csv, comparisons.csv, figures/*.{svg,pdf}, browser.html, report.html, which tells time and memory from
#      benchmarks/.


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
        mem_mb=2000 + CONVERSATIONS_MB,
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
        mem_mb=2000 + CONVERSATIONS_MB,
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


# Apart from the others: a run that is added to a grid has its figures drawn, and no other run's are drawn again.
rule draw_run_figures:
    input:
        analyses=files_of_seeds("analysis.json", SEEDS),
        logs=files_of_seeds("metrics.jsonl", SEEDS),
        selections=files_of_seeds("selection.json", SEEDS),
        flips=files_of_seeds("flips.json", SEEDS),
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
        analyses=every_run("analysis.json"),
        logs=every_run("metrics.jsonl"),
        evaluations=every_run("evaluation.json"),
        selections=every_run("selection.json"),
        messages=every_run("messages.hdf5"),
        flips=every_run("flips.json"),
        funnel=result("funnel.json") if FROM_IMAGES else [],
        tars=class_files("tar") if FROM_IMAGES else [],
        missing=result("words_missing.tsv"),
        language=result("language.csv"),
        figures=[result(f"figures/{name}.svg") for name in FIGURES],
        # Not read; the page has links to what is there when it is made.
        beside=files_beside_report(),
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
        mem_mb=2000 + CONVERSATIONS_MB,
        runtime=30,
    params:
        config=CONFIG,
        benchmarks=BENCHMARKS,
        stages=SOURCE_STAGES,
        code=code("build_report"),
    message:
        "Writing the report"
    script:
        "../scripts/build_report.py"


rule build_browser:
    input:
        messages=all_messages(),
        attention=all_attention(),
        descriptions=result("descriptions.csv"),
        tars=class_files("tar") if FROM_IMAGES else [],
        # How much of a picture the network saw; all parts say the same.
        features=part_files()[0] if ATTENDING_RUNS else [],
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
        mem_mb=3000 + CONVERSATIONS_MB,
        runtime=60,
    params:
        experiment=LAYOUT.experiment,
        max_mb=CONFIG["browser"]["max_mb"],
        code=code("build_browser"),
    message:
        "Bringing all conversations onto one page"
    script:
        "../scripts/build_browser.py"
