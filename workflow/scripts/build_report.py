"""Build the report of an experiment."""

from pathlib import Path

from stage import stage

import parley
from parley.core.failures import successful
from parley.core.files import files_in
from parley.report.figures.results import RunFiles
from parley.report.page.build import build_report
from parley.report.page.origin import find_origin

with stage(snakemake):
    build_report(
        summary_json=snakemake.input.summary,
        files=RunFiles(
            analyses=successful(snakemake.input.analyses),
            metrics_logs=snakemake.input.logs,
            selections=successful(snakemake.input.selections),
            flips=successful(snakemake.input.flips),
        ),
        evaluations=successful(snakemake.input.evaluations),
        messages=successful(snakemake.input.messages),
        funnel=snakemake.input.funnel or None,
        words_missing=snakemake.input.missing or None,
        figures_folder=Path(snakemake.input.figures[0]).parent,
        config=snakemake.params.config,
        out=snakemake.output.report,
        language=snakemake.input.language,
        image_tars=files_in(snakemake.input.tars, ".tar"),
        benchmarks=snakemake.params.benchmarks,
        stages=snakemake.params.stages,
        # Root of the library's repository, unless the library is installed as a package.
        origin=find_origin(Path(parley.__file__).parents[2]),
    )
