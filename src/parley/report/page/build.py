"""Build the report page: one self-contained HTML file."""

import importlib.metadata
import platform
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from parley.analysis.summary import read_summary
from parley.core import formats
from parley.core.files import read_csv, read_table, write_text
from parley.metrics.records import owner_of, read_analysis, read_chosen_step, read_curve, read_evaluation
from parley.report.figures.overview import TITLES
from parley.report.page import findings
from parley.report.page.examples import small
from parley.report.page.funnel import read_funnel
from parley.report.page.inline import picture_uri, read_thumbnails
from parley.report.page.origin import Origin, files_beside, read_costs
from parley.report.page.sections import (
    MANY,
    Inputs,
    RunSection,
    examples_of_classes,
    lead,
    one_k,
    overview,
    run_section,
    table,
)
from parley.report.page.tiles import tiles

PACKAGES = ("parley", "torch", "torchvision", "numpy", "scipy", "h5py", "matplotlib", "snakemake")
"""Packages whose versions the page lists, if installed."""


def build_report(
    *,
    summary_json: str | Path,
    analyses: Sequence[str | Path],
    metrics_logs: Sequence[str | Path],
    evaluations: Sequence[str | Path],
    selections: Sequence[str | Path],
    messages: Sequence[str | Path],
    flips: Sequence[str | Path],
    funnel: str | Path | None,
    words_missing: str | Path | None,
    figures_folder: str | Path,
    config: Mapping[str, Any],
    out: str | Path,
    image_tars: Sequence[str | Path] = (),
    language: str | Path | None = None,
    versions: Mapping[str, str] | None = None,
    benchmarks: str | Path | None = None,
    stages: Collection[str] = (),
    origin: Origin | None = None,
) -> None:
    """Write the report: one self-contained page.

    Parameters
    ----------
    summary_json
        The summary; its runs are reported in its order.
    analyses, metrics_logs, evaluations, selections
        analysis.json, metrics.jsonl, evaluation.json and selection.json of all runs and seeds that came through, in
        any order; the folders they lie in say whose they are.
    messages, flips
        messages.hdf5 of the test part, and flips.json, likewise.
    funnel
        Counts of images (`parley.report.page.funnel`); None where the source has none.
    words_missing
        TSV of words without a vector: `word`, `classes`, `vector` (what they got); None where it is not known.
    figures_folder
        Where `parley.report.figures.draw` wrote.
    config
        The merged config.
    out
        The page.
    image_tars
        Class tars, from which the images of the classes and of the example conversations are taken.
    language
        language.csv, where it was made.
    versions
        Package → version; by default those of the running environment.
    benchmarks
        Folder of the benchmark files; None where there is none.
    stages
        Rules that the experiment's files come from, run for it or for another before it.
    origin
        Where the page comes from; None leaves it out.

    Raises
    ------
    ParleyError
        When a file is missing or not what it should be.
    """
    summary = read_summary(summary_json)
    inputs = Inputs(
        rows=summary.rows,
        failed=summary.failed,
        analyses=[read_analysis(path) for path in analyses],
        curves={owner_of(path): read_curve(path) for path in metrics_logs},
        evaluations={owner_of(path): read_evaluation(path) for path in evaluations},
        chosen={owner_of(path): read_chosen_step(path) for path in selections},
        messages={owner_of(path): Path(path) for path in messages},
        flips={owner_of(path): Path(path) for path in flips},
        figures=Path(figures_folder),
        config=config,
        language=read_csv(language) if language is not None else (),
    )
    of_classes = examples_of_classes(inputs)
    sections = [run_section(inputs, run, of_classes) for run in inputs.runs]
    data = {
        "funnel": read_funnel(funnel) if funnel is not None else None,
        "wordless": read_table(words_missing, ["word", "classes", "vector"]) if words_missing is not None else None,
        "versions": dict(versions) if versions is not None else installed_versions(),
        "warnings": [
            *(f"Run {run}: {why}" for (run, _), why in summary.reasons.items()),
            *dict.fromkeys(sentence for analysis in inputs.analyses for sentence in analysis["warnings"]),
        ],
        "costs": read_costs(benchmarks, stages) if benchmarks is not None else None,
        "beside": files_beside(Path(out).parent),
        "origin": origin,
        **_pictures(image_tars, sections, of_classes.values()),
    }
    write_text(out, _rendered(inputs, sections, data))


def _pictures(
    tars: Sequence[str | Path], sections: Sequence[RunSection], of_classes: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the images of example dialogues, and thumbnails of classes, as data URIs by key."""
    talked_about = {example.key for section in sections for example in section.examples}
    jpegs = read_thumbnails(tars, talked_about.union(of_classes)) if tars else {}
    return {
        "pictures": {key: picture_uri(jpeg) for key, jpeg in jpegs.items() if key in talked_about},
        "class_pictures": {key: picture_uri(small(jpegs[key])) for key in of_classes if key in jpegs},
    }


def installed_versions() -> dict[str, str]:
    """Return the installed versions of Python and `PACKAGES`, without importing them."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _rendered(inputs: Inputs, sections: Sequence[RunSection], data: Mapping[str, Any]) -> str:
    overall = overview(inputs)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data,
            title=str(inputs.config.get("experiment", "experiment")),
            lead=lead(inputs),
            rows=table(inputs.rows),
            tiles={section.name: tiles(inputs.rows, section.name) for section in sections},
            of_parts=findings.of_each_part(inputs.rows),
            one_k=one_k(inputs.rows),
            parts=TITLES,
            overview=overall,
            sections=sections,
            MANY=MANY,
            places={key: place for place, key in enumerate(data["class_pictures"])},
            seeds=_seeds(inputs),
            figure_styles=inputs.styles.rules(),
            config=yaml.safe_dump(_plain(inputs.config), sort_keys=False, allow_unicode=True),
        )
    )


def _seeds(inputs: Inputs) -> str:
    """List the seeds of the runs, and the seed of the data if the config has it."""
    of_runs = sorted({seed for _, seed in [*inputs.evaluations, *inputs.failed]})
    said = f"{', '.join(map(str, of_runs))} of each run"
    return f"{said}; {inputs.config['seed']} of the data" if "seed" in inputs.config else said


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("parley.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("fraction", "measure", "exchanges", "count", "counted", "interval", "duration", "percent", "bits"):
        environment.filters[name] = getattr(formats, name)
    return environment


def _plain(value: Any) -> Any:
    """Copy a config into plain dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
