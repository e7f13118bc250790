"""Content of the report for the experiment and each run, before it becomes HTML."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from parley.analysis.summary import SummaryRow
from parley.core import formats
from parley.metrics.conversations import Conversations, read_conversations
from parley.metrics.pooling import PooledPart, mean_over_seeds, pool, read_flips
from parley.metrics.records import Curve, finite
from parley.report.figures.registry import OVERVIEW, RUN_FIGURES, FigureInfo
from parley.report.figures.results import RunResults
from parley.report.page import findings, meanings
from parley.report.page.examples import ClassLine, Example, choose_examples, class_lines, first_of_each_class
from parley.report.page.inline import InlineFigure, Styles, inline_figure
from parley.report.page.language import LanguageLine, language_lines, of_language

Owner = tuple[str, int]
"""A run and a seed."""
CONTINUOUS = (
    "This run's messages are numbers, not bits, so its conversations are not drawn here; messages.hdf5 beside its "
    "checkpoints holds them."
)


MANY = 3
"""With more runs than this, the top summarises them together and each section is folded."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure with its heading, meaning, finding and key."""

    name: str
    kind: str
    meaning: str
    finding: str
    key: str
    figure: InlineFigure
    files: dict[str, str]
    """Format → path of the file relative to the page."""


@dataclass(frozen=True, slots=True)
class SeedLine:
    """One row of the table of seeds; None where a seed failed."""

    seed: int
    chosen_step: int | None
    accuracy_1: float | None
    accuracy_k: float | None
    nll: float | None
    length: float | None


@dataclass(frozen=True, slots=True)
class ExchangeLine:
    """One exchange of the test split's dialogues, means over seeds; NaN where not measured.

    `talking` is the fraction still running when it begins; the others are over all images, ignoring stops.
    """

    number: int
    talking: float
    accuracy: float
    prediction_bits: float
    sender_bits: float
    receiver_bits: float


@dataclass(frozen=True, slots=True)
class RunSection:
    """Everything the page shows about one run."""

    name: str
    about: str
    headline: list[str]
    failures: str | None
    figures: list[Shown]
    examples: list[Example]
    unshown: str
    """Why no example dialogue is shown; empty if one is."""
    example_seed: int | None
    language: list[LanguageLine]
    language_finding: str
    exchanges: list[ExchangeLine]
    classes: list[ClassLine]
    seeds: list[SeedLine]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything read for the page, by run and seed.

    Attributes
    ----------
    rows, failed
        Of the summary.
    analyses
        Contents of analysis.json files.
    curves, evaluations, chosen, messages, flips
        By run and seed: learning curve, evaluation.json, chosen step, file of test messages, file of flipped bits.
    figures
        Folder of the drawn figures.
    config
        The merged config.
    language
        Rows of language.csv; none where it was not made.
    styles
        Of the page's figures.
    """

    rows: list[SummaryRow]
    failed: list[Owner]
    analyses: list[dict[str, Any]]
    curves: dict[Owner, Curve]
    evaluations: dict[Owner, dict[str, Any]]
    chosen: dict[Owner, int]
    messages: dict[Owner, Path]
    flips: dict[Owner, Path]
    figures: Path
    config: Mapping[str, Any]
    language: Sequence[Mapping[str, str]] = ()
    styles: Styles = field(default_factory=Styles)

    @property
    def runs(self) -> list[str]:
        """All runs in the summary's order; runs without a successful seed come last."""
        return list(dict.fromkeys([row.run for row in self.rows] + [run for run, _ in self.failed]))


def lead(inputs: Inputs) -> str:
    """Return one sentence on what was run."""
    seeds = set(inputs.evaluations) | set(inputs.failed)
    test = next((row for row in inputs.rows if row.part == "test" and row.images is not None), None)
    said = f"{formats.counted(len(inputs.runs), 'run')}, {formats.counted(len(seeds), 'seed')} in all"
    if test is None or test.candidates is None:
        return f"{said}."
    return (
        f"{said}; tested on {formats.counted(test.images or 0, 'image')} of "
        f"{formats.counted(test.candidates, 'class')}."
    )


def table(rows: Sequence[SummaryRow]) -> list[dict[str, Any]]:
    """Group the summary's rows by run and split, then by metric."""
    lines: dict[tuple[str, str], dict[str, SummaryRow]] = {}
    for row in rows:
        lines.setdefault((row.run, row.part), {})[row.metric] = row
    return [{"run": run, "part": part, "metrics": metrics} for (run, part), metrics in lines.items()]


def one_k(rows: Sequence[SummaryRow]) -> int | None:
    """Return the k of accuracy@k if all rows share it; None if some split has too few classes."""
    ks = {row.k for row in rows if row.metric == "accuracy@k"}
    return ks.pop() if len(ks) == 1 else None


def overview(inputs: Inputs) -> Shown:
    """Return the figure that compares all runs."""
    said = (meanings.of_parts(inputs.rows), findings.of_parts(inputs.rows))
    if len(inputs.runs) > MANY:
        # The headline has the numbers.
        said = (said[0], "Each row is a run, each column a part.")
    return _shown(inputs, OVERVIEW, OVERVIEW.name, said)


def examples_of_classes(inputs: Inputs) -> dict[str, str]:
    """Return the key of an image of each test class."""
    for path in inputs.messages.values():
        return first_of_each_class(read_conversations(path))
    return {}


def run_section(inputs: Inputs, run: str, examples: Mapping[str, str]) -> RunSection:
    """Gather everything the page shows about one run.

    Parameters
    ----------
    inputs
        What was read.
    run
        Its name.
    examples
        Class → key of an image of it.
    """
    test = pool(inputs.analyses, run)
    failed = [seed for owner, seed in inputs.failed if owner == run]
    seeds = sorted({seed for owner, seed in [*inputs.evaluations, *inputs.failed] if owner == run})
    recorded = _median_conversations(inputs, run, test)
    language = language_lines(inputs.language, run)
    return RunSection(
        name=run,
        about=_settings(inputs.config, run),
        failures=findings.failures(failed),
        headline=findings.headline(run, inputs.rows, test),
        figures=_figures(inputs, run, test),
        examples=[] if recorded is None else choose_examples(recorded),
        unshown=CONTINUOUS if recorded is not None and not recorded.binary else "",
        example_seed=None if test is None else test.projection.seed,
        language=language,
        language_finding=of_language(language),
        exchanges=[] if test is None else _exchange_lines(test),
        classes=[] if test is None else class_lines(test, examples),
        seeds=[_seed_line(inputs, run, seed) for seed in seeds],
    )


def _median_conversations(inputs: Inputs, run: str, test: PooledPart | None) -> Conversations | None:
    """Read the test dialogues of the seed whose messages are shown."""
    path = None if test is None else inputs.messages.get((run, test.projection.seed))
    return None if path is None else read_conversations(path)


def _exchange_lines(part: PooledPart) -> list[ExchangeLine]:
    names = ("accuracy@1", "prediction_entropy_bits", "sender_entropy_bits", "receiver_entropy_bits")
    columns = [mean_over_seeds(part.by_exchange[f"{name}_all"]) for name in names]
    rows = zip(mean_over_seeds(part.talking), *columns, strict=True)
    return [ExchangeLine(t, *map(float, row)) for t, row in enumerate(rows, start=1)]


def _settings(config: Mapping[str, Any], run: str) -> str:
    """Summarise a run's game: preset, bits a message, maximum exchanges."""
    own: Mapping[str, Any] = next((entry for entry in config.get("runs", []) if entry.get("name") == run), {})
    game = {**config.get("game", {}), **own.get("game", {})}
    said = [str(game[key]) for key in ("preset",) if key in game]
    if "message_bits" in game:
        said.append(f"{formats.counted(int(game['message_bits']), 'bit')} a message")
    if "max_exchanges" in game:
        said.append(f"at most {formats.counted(int(game['max_exchanges']), 'exchange')}")
    return ", ".join(said)


def _shown(inputs: Inputs, figure: FigureInfo, file: str, said: tuple[str, str]) -> Shown:
    """Put a figure's drawing and its words together.

    Parameters
    ----------
    inputs
        What was read.
    figure
        Its row of the registry.
    file
        Name of its files, without ending.
    said
        What the figure means, and what it shows, in a sentence each.
    """
    meaning, finding = said
    drawing = inline_figure(inputs.figures / f"{file}.svg", figure.heading, f"{meaning}. {finding}", inputs.styles)
    files = {ending.upper(): quote(f"{inputs.figures.name}/{file}.{ending}") for ending in ("svg", "pdf")}
    return Shown(file, figure.heading, meaning, finding, figure.key, drawing, files)


def _figures(inputs: Inputs, run: str, test: PooledPart | None) -> list[Shown]:
    """Gather a run's figures in the order of the registry."""
    results = RunResults(
        curves=[curve for (owner, _), curve in sorted(inputs.curves.items()) if owner == run and curve.steps],
        chosen={seed: step for (owner, seed), step in inputs.chosen.items() if owner == run},
        flips=read_flips(list(inputs.flips.values()), run) if test is not None else None,
        test=test,
    )
    return [_shown(inputs, figure, f"{figure.name}-{run}", WORDS[figure.name](results)) for figure in RUN_FIGURES]


def _words_on_curves(results: RunResults) -> tuple[str, str]:
    return meanings.of_curves(results.curves, results.chosen), findings.of_curves(results.curves, results.chosen)


def _words_on_flips(results: RunResults) -> tuple[str, str]:
    if results.test is None:
        return "No bits to flip", "No seed of this run has messages whose bits could be flipped."
    candidates = len(results.test.labels)
    return meanings.of_flips(results.flips, candidates), findings.of_flips(results.flips, candidates)


def _words_on_test(
    means: Callable[[PooledPart], str], shows: Callable[[PooledPart], str]
) -> Callable[[RunResults], tuple[str, str]]:
    """Return a function that puts the test split into words, or says that there is nothing to draw."""

    def words(results: RunResults) -> tuple[str, str]:
        if results.test is None:
            return "Nothing to draw", "No seed of this run has test conversations with finite numbers."
        return means(results.test), shows(results.test)

    return words


WORDS: Mapping[str, Callable[[RunResults], tuple[str, str]]] = {
    "learning-curves": _words_on_curves,
    "by-exchange": _words_on_test(meanings.of_exchanges, findings.of_exchanges),
    "flipped-bits": _words_on_flips,
    "length-by-class": _words_on_test(meanings.of_lengths, findings.of_lengths),
    "confusion": _words_on_test(meanings.of_confusion, findings.of_confusion),
    "messages-pca": _words_on_test(meanings.of_projection, findings.of_projection),
}
"""What the report says about each figure of a run: what it means, and what it shows."""


def _seed_line(inputs: Inputs, run: str, seed: int) -> SeedLine:
    entry = inputs.evaluations.get((run, seed), {}).get("parts", {}).get("test", {})
    return SeedLine(
        seed=seed,
        chosen_step=inputs.chosen.get((run, seed)),
        accuracy_1=finite(entry.get("accuracy@1")),
        accuracy_k=finite(entry.get("accuracy@k")),
        nll=finite(entry.get("nll")),
        length=finite(entry.get("length")),
    )
