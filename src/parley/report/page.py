"""Building the report's page."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from parley.figures.parts import TITLES
from parley.files import read_csv, read_table, write_text
from parley.metrics.records import owner_of, read_analysis, read_chosen_step, read_curve, read_evaluation
from parley.report import formats
from parley.report.funnel import read_funnel
from parley.report.inline import picture_uri
from parley.report.sections import Inputs, RunSection, lead, one_k, overview, run_section, table
from parley.report.thumbnails import read_thumbnails
from parley.summary import read_summary

PACKAGES = ("parley", "torch", "torchvision", "numpy", "scipy", "h5py", "matplotlib", "snakemake")
"""Whose versions the page names, where they are installed."""


def build_report(
    *,
    summary_json: str | Path,
    analyses: Sequence[str | Path],
    metrics_logs: Sequence[str | Path],
    evaluations: Sequence[str | Path],
    selections: Sequence[str | Path],
    messages: Sequence[str | Path],
    funnel: str | Path | None,
    words_missing: str | Path | None,
    figures_folder: str | Path,
    config: Mapping[str, Any],
    out: str | Path,
    image_tars: Sequence[str | Path] = (),
    language: str | Path | None = None,
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write the report: one page that needs nothing but itself.

    Parameters
    ----------
    summary_json
        The summary; its runs are told, in its order.
    analyses, metrics_logs, evaluations, selections
        analysis.json, metrics.jsonl, evaluation.json and selection.json of all runs and seeds that came through, in
        any order; the folders they lie in say whose they are.
    messages
        messages.hdf5 of the test part, likewise.
    funnel
        Counts of images (`parley.report.funnel`); None where the source has none.
    words_missing
        TSV of words without a vector: `word`, `classes`, `vector` (what they got); None where it is not known.
    figures_folder
        Where `parley.figures.draw` wrote.
    config
        The merged config.
    out
        The page.
    image_tars
        Class tars, from which the images of the example conversations are taken.
    language
        language.csv, where it was made.
    versions
        Package → version; by default those of the running environment.

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
        figures=Path(figures_folder),
        config=config,
        language=read_csv(language) if language is not None else (),
    )
    sections = [run_section(inputs, run) for run in inputs.runs]
    keys = {example.key for section in sections for example in section.examples}
    pictures = read_thumbnails(image_tars, keys) if keys else {}
    data = {
        "funnel": read_funnel(funnel) if funnel is not None else None,
        "wordless": read_table(words_missing, ["word", "classes", "vector"]) if words_missing is not None else None,
        "versions": dict(versions) if versions is not None else installed_versions(),
        "warnings": [
            *(f"Run {run}: {why}" for (run, _), why in summary.reasons.items()),
            *(sentence for analysis in inputs.analyses for sentence in analysis["warnings"]),
        ],
        "pictures": {key: picture_uri(jpeg) for key, jpeg in pictures.items()},
    }
    write_text(out, _rendered(inputs, sections, data))


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of `PACKAGES`, as installed, without importing them."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _rendered(inputs: Inputs, sections: Sequence[RunSection], data: Mapping[str, Any]) -> str:
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data,
            title=str(inputs.config.get("experiment", "experiment")),
            lead=lead(inputs),
            rows=table(inputs.rows),
            one_k=one_k(inputs.rows),
            parts=TITLES,
            overview=overview(inputs),
            sections=sections,
            config=yaml.safe_dump(_plain(inputs.config), sort_keys=False, allow_unicode=True),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("parley.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("fraction", "exchanges", "count", "counted", "interval"):
        environment.filters[name] = getattr(formats, name)
    return environment


def _plain(value: Any) -> Any:
    """Copy a config into plain types, whatever kinds of mapping it is made of."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
