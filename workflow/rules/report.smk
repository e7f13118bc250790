# Figures, the report page and the dialogue browser.
#
# In:  results/<e>/runs/<run>/<seed>/, results/<e>/{summary.json,language.csv,funnel.json,words_missing.tsv}.
# Out: results/<e>/: figures/*.{svg,pdf}, browser.html, report.html. The report reads times and memory from benchmarks/.


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
        svg=[
            reported_figure(name, "{run}")
            for name in run_figure_names("{run}", PLUGIN_FIGURES)
        ],
        pdf=[
            result(f"figures/{name}.pdf")
            for name in run_figure_names("{run}", PLUGIN_FIGURES)
        ],
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
        funnel=VALUES.of_images("funnel.json"),
        tars=VALUES.class_files("tar") if VALUES.from_images else [],
        missing=VALUES.words_missing(),
        language=result("language.csv"),
        figures=[
            result(f"figures/{name}.svg")
            for name in figure_names(RUNS, PLUGIN_FIGURES)
        ],
        # Not read: the page links to those of these files that exist.
        beside=VALUES.linked_by_report(),
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
        stages=VALUES.source_stages(),
        code=code("build_report"),
    message:
        "Writing the report"
    script:
        "../scripts/build_report.py"


rule build_browser:
    input:
        messages=RUN_PATHS.all_messages(),
        attention=RUN_PATHS.all_attention(VALUES.attending_runs),
        descriptions=result("descriptions.csv"),
        tars=VALUES.class_files("tar") if VALUES.from_images else [],
        # For the part of an image that the network saw, which is the same in all splits.
        features=PATHS.split_files()[0] if VALUES.attending_runs else [],
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
