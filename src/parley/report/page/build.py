"""Build the report page: one self-contained HTML file."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from parley.analysis.summary import read_summary
from parley.core import formats
from parley.core.files import write_text
from parley.core.installation import as_typed
from parley.core.tables import read_csv, read_table
from parley.metrics.records import owner_of, read_evaluation
from parley.report.figures.results import RunFiles, read_results
from parley.report.page import headline
from parley.report.page.caveats import words_are_random
from parley.report.page.funnel import read_funnel
from parley.report.page.inline import class_picture, picture_uri, read_thumbnails
from parley.report.page.origin import files_beside, image_source, read_costs
from parley.report.page.sections import (
    MANY_RUNS,
    Inputs,
    examples_of_classes,
    language_lines,
    lead,
    one_k,
    overview,
    run_section,
    summary_texts,
    table,
)

PACKAGES = ("parley", "torch", "torchvision", "numpy", "scipy", "h5py", "matplotlib", "snakemake")
"""Packages whose versions the page lists."""


def build_report(
    *,
    summary_json: str | Path,
    files: RunFiles,
    evaluations: Sequence[str | Path],
    messages: Sequence[str | Path],
    funnel: str | Path | None,
    words_missing: str | Path | None,
    figures_folder: str | Path,
    config: Mapping[str, Any],
    out: str | Path,
    image_tars: Sequence[str | Path] = (),
    language: str | Path | None = None,
    benchmarks: str | Path | None = None,
    stages: Sequence[str] = (),
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write the report page as one self-contained HTML file.

    Parameters
    ----------
    summary_json
        Path of the summary; the page lists the runs in the order of this file.
    files, evaluations
        Files of all successful runs and seeds, and paths of evaluation.json, in any order, each in a folder
        ``<run>/<seed>``.
    messages
        Paths of messages.hdf5 (the test split) of the same runs and seeds.
    funnel
        Path of funnel.json; None if the image source has no such file.
    words_missing
        TSV of words without a vector: `word`, `classes`, `vector` (the replacement: zero or random); None if unknown.
    figures_folder
        Folder with the files written by `parley.report.figures`.
    config
        The merged config.
    out
        Path of the page to write.
    image_tars
        Class tars that contain the images of the example dialogues and of the classes.
    language
        Path of language.csv; None if the file was not made.
    benchmarks
        Folder of the benchmark files; None to omit times and memory.
    stages
        Rules of this experiment whose outputs experiments share; another experiment may already have made the outputs.
    origin
        Code and machine that make the page, from `parley.report.page.origin.find_origin`; None to omit them.

    Raises
    ------
    ParleyError
        If a file is missing or malformed.
    """
    summary = read_summary(summary_json)
    inputs = Inputs(
        rows=summary.rows,
        failed=summary.failed,
        files=files,
        evaluations={owner_of(path): read_evaluation(path) for path in evaluations},
        messages={owner_of(path): Path(path) for path in messages},
        figures=Path(figures_folder),
        config=config,
        language=read_csv(language) if language is not None else (),
    )
    class_examples = examples_of_classes(inputs)
    results = {run: read_results(run, files)._replace(annealed=inputs.annealed(run)) for run in inputs.runs}
    language_of = {run: language_lines(inputs.language, run) for run in inputs.runs}
    images = read_funnel(funnel) if funnel is not None else None
    sections = [run_section(inputs, run, results[run], language_of[run], class_examples) for run in inputs.runs]
    with_typical = next((section for section in sections if section["typical"]), None)
    dialogues = [example for section in sections for example in section["examples"]]
    dialogues += [with_typical["typical"]] if with_typical else []
    example_keys = {example["key"] for example in dialogues}
    jpegs = read_thumbnails(image_tars, example_keys.union(class_examples.values())) if image_tars else {}
    class_pictures = {key: picture_uri(class_picture(jpegs[key])) for key in class_examples.values() if key in jpegs}
    page = _environment().get_template("report.html.j2")
    html = page.render(
        title=str(config.get("experiment", "experiment")),
        lead=lead(inputs),
        summary=summary_texts(inputs, results, language_of, images),
        with_typical=with_typical,
        rows=table(inputs.rows),
        tiles={run: headline.tiles(inputs.rows, run) for run in inputs.runs},
        one_k=one_k(inputs.rows),
        splits={**headline.SPLITS, **headline.SEEN},
        overview=overview(inputs),
        sections=sections,
        MANY_RUNS=MANY_RUNS,
        pictures={key: picture_uri(jpegs[key]) for key in example_keys if key in jpegs},
        class_pictures=class_pictures,
        picture_numbers={key: number for number, key in enumerate(class_pictures)},
        seeds=_seeds(inputs),
        figure_styles=inputs.styles.rules(),
        config=yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True),
        funnel=images,
        source=image_source(config["source"]) if images and "source" in config else None,
        random_words=words_are_random(config),
        missing_words=read_table(words_missing, ["word", "classes", "vector"]) if words_missing is not None else None,
        versions=installed_versions(),
        warnings=[
            *(f"Run {run}: {why}" for (run, _), why in summary.reasons.items()),
            *dict.fromkeys(sentence for section in sections for sentence in section["warnings"]),
        ],
        costs=read_costs(benchmarks, stages) if benchmarks is not None else None,
        beside=files_beside(Path(out).parent),
        origin=origin,
    )
    write_text(out, html)


def installed_versions() -> dict[str, str]:
    """Return the installed versions of Python and `PACKAGES`, without importing them."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _seeds(inputs: Inputs) -> str:
    """Return a text that lists the seeds of the runs, and the seed of the data if the config has one."""
    of_runs = sorted({seed for _, seed in [*inputs.evaluations, *inputs.failed]})
    text = f"{', '.join(map(str, of_runs))} for each run"
    return f"{text}; {inputs.config['seed']} for the data" if "seed" in inputs.config else text


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("parley.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("fraction", "measure", "exchanges", "count", "counted", "duration", "bits"):
        environment.filters[name] = getattr(formats, name)
    environment.filters["as_typed"] = as_typed
    environment.filters["verdict"] = headline.verdict_in_table
    return environment


def _plain(value: Any) -> Any:
    """Return a copy of a config in which all mappings and sequences are plain dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
