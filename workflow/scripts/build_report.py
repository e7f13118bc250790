"""Build the report of an experiment."""

from pathlib import Path

from stage import stage

import parley
from parley.core.failures import successful
from parley.core.files import files_in
from parley.report.page.build import build_report
from parley.report.page.origin import find_origin

with stage(snakemake):
    build_report(
        summary_json=snakemake.input.summary,
        analyses=successful(snakemake.input.analyses),
        metrics_logs=snakemake.input.logs,
        evaluations=successful(snakemake.input.evaluations),
        selections=successful(snakemake.input.selections),
        messages=successful(snakemake.input.messages),
        flips=successful(snakemake.input.flips),
        funnel=snakemake.input.funnel or None,
        words_missing=snakemake.input.missing,
        figures_folder=Path(snakemake.input.figures[0]).parent,
        config=snakemake.params.config,
        out=snakemake.output.report,
        language=snakemake.input.language,
        image_tars=files_in(snakemake.input.tars, ".tar"),
        benchmarks=snakemake.params.benchmarks,
        stages=snakemake.params.stages,
        # The repository that contains the library, if it is used from a repository.
        origin=find_origin(Path(parley.__file__).parents[2]),
    )
