"""Write the report of an experiment."""

from pathlib import Path

from stage import stage

from parley.report.page import build_report

with stage(snakemake):
    build_report(
        summary_json=snakemake.input.summary,
        analyses=snakemake.input.analyses,
        metrics_logs=snakemake.input.logs,
        evaluations=snakemake.input.evaluations,
        selections=snakemake.input.selections,
        messages=snakemake.input.messages,
        funnel=snakemake.input.funnel or None,
        words_missing=snakemake.input.missing,
        figures_folder=Path(snakemake.input.figures[0]).parent,
        config=snakemake.params.config,
        out=snakemake.output.report,
        image_tars=snakemake.input.tars,
    )
