"""What the page says of the experiment and of each run, before it becomes HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parley.metrics.conversations import read_conversations
from parley.metrics.pooling import PooledPart, pool
from parley.metrics.records import Curve, finite
from parley.report import findings, formats
from parley.report.examples import Example, choose_examples
from parley.report.inline import InlineFigure, inline_figure
from parley.report.language import LanguageLine, language_lines, of_language
from parley.summary import SummaryRow

Owner = tuple[str, int]
"""A run and a seed."""
CONTINUOUS = (
    "This run's messages are numbers, not bits, so its conversations are not drawn here; messages.hdf5 beside its "
    "checkpoints holds them."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure with its title, what it shows, and how to read it."""

    name: str
    title: str
    finding: str
    key: str
    figure: InlineFigure


@dataclass(frozen=True, slots=True)
class SeedLine:
    """One seed of a run, as the table of seeds has it; None where a seed failed."""

    seed: int
    chosen_step: int | None
    accuracy_1: float | None
    accuracy_k: float | None
    nll: float | None
    length: float | None


@dataclass(frozen=True, slots=True)
class RunSection:
    """All the page says of one run."""

    name: str
    about: str
    headline: list[str]
    failures: str | None
    figures: list[Shown]
    examples: list[Example]
    unshown: str
    """Why no conversation is shown, where none can be."""
    example_seed: int | None
    language: list[LanguageLine]
    language_finding: str
    seeds: list[SeedLine]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was read, by run and seed.

    Attributes
    ----------
    rows, failed
        Of the summary.
    analyses
        Contents of analysis.json files.
    curves, evaluations, chosen, messages
        By run and seed: learning curve, evaluation.json, chosen step, file of test messages.
    figures
        Folder of the drawn figures.
    config
        The merged config.
    language
        Rows of language.csv; none where it was not made.
    """

    rows: list[SummaryRow]
    failed: list[Owner]
    analyses: list[dict[str, Any]]
    curves: dict[Owner, Curve]
    evaluations: dict[Owner, dict[str, Any]]
    chosen: dict[Owner, int]
    messages: dict[Owner, Path]
    figures: Path
    config: Mapping[str, Any]
    language: Sequence[Mapping[str, str]] = ()

    @property
    def runs(self) -> list[str]:
        """All runs, in the summary's order; those of which no seed came through are last."""
        return list(dict.fromkeys([row.run for row in self.rows] + [run for run, _ in self.failed]))


def lead(inputs: Inputs) -> str:
    """Say what was run, in one sentence."""
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
    """Group the summary's rows: an entry a run and part, with its rows by metric."""
    lines: dict[tuple[str, str], dict[str, SummaryRow]] = {}
    for row in rows:
        lines.setdefault((row.run, row.part), {})[row.metric] = row
    return [{"run": run, "part": part, "metrics": metrics} for (run, part), metrics in lines.items()]


def one_k(rows: Sequence[SummaryRow]) -> int | None:
    """Return the k of accuracy@k where all rows have the same; None where some part has too few classes for it."""
    ks = {row.k for row in rows if row.metric == "accuracy@k"}
    return ks.pop() if len(ks) == 1 else None


def overview(inputs: Inputs) -> Shown:
    """Show the figure that is about all runs."""
    finding = findings.of_parts(inputs.rows)
    return _shown(
        inputs,
        "accuracy-by-part",
        "Accuracy by part",
        finding,
        "Dot: mean over seeds. Bar: 95 % interval. Tick: chance.",
    )


def run_section(inputs: Inputs, run: str) -> RunSection:
    """Gather all the page says of one run."""
    test = pool(inputs.analyses, run)
    failed = [seed for owner, seed in inputs.failed if owner == run]
    seeds = sorted({seed for owner, seed in [*inputs.evaluations, *inputs.failed] if owner == run})
    example_seed = None if test is None else test.projection.seed
    path = None if example_seed is None else inputs.messages.get((run, example_seed))
    recorded = None if path is None else read_conversations(path)
    language = language_lines(inputs.language, run)
    return RunSection(
        name=run,
        about=_settings(inputs.config, run),
        failures=findings.failures(failed),
        headline=findings.headline(run, inputs.rows, test),
        figures=[_curves(inputs, run), *_of_part(inputs, run, test)],
        examples=[] if recorded is None else choose_examples(recorded),
        unshown=CONTINUOUS if recorded is not None and not recorded.binary else "",
        example_seed=example_seed,
        language=language,
        language_finding=of_language(language),
        seeds=[_seed_line(inputs, run, seed) for seed in seeds],
    )


def _settings(config: Mapping[str, Any], run: str) -> str:
    """Name the settings that say most about a run's game, as far as the config has them."""
    own: Mapping[str, Any] = next((entry for entry in config.get("runs", []) if entry.get("name") == run), {})
    game = {**config.get("game", {}), **own.get("game", {})}
    said = [str(game[key]) for key in ("preset",) if key in game]
    if "message_bits" in game:
        said.append(f"{formats.counted(int(game['message_bits']), 'bit')} a message")
    if "max_exchanges" in game:
        said.append(f"at most {formats.counted(int(game['max_exchanges']), 'exchange')}")
    return ", ".join(said)


def _shown(inputs: Inputs, name: str, title: str, finding: str, key: str) -> Shown:
    figure = inline_figure(inputs.figures / f"{name}.svg", name, f"{title}. {finding}")
    return Shown(name, title, finding, key, figure)


def _curves(inputs: Inputs, run: str) -> Shown:
    curves = [curve for (owner, _), curve in sorted(inputs.curves.items()) if owner == run and curve.steps]
    chosen = {seed: step for (owner, seed), step in inputs.chosen.items() if owner == run}
    return _shown(
        inputs,
        f"learning-curves-{run}",
        "Learning",
        findings.of_curves(curves, chosen),
        "Thin: seeds. Thick: their mean, with its 95 % interval. Rings: chosen checkpoints.",
    )


def _of_part(inputs: Inputs, run: str, test: PooledPart | None) -> list[Shown]:
    nothing = "No seed of this run has test conversations with finite numbers."
    kinds = (
        (
            "length-by-class",
            "Length and accuracy of each class",
            findings.of_lengths,
            "Small points: seeds. Large: their mean, with its 95 % interval.",
        ),
        (
            "by-exchange",
            "Over the conversation",
            findings.of_exchanges,
            "Bands: 95 % interval over seeds. Chance and no knowledge are dashed.",
        ),
        (
            "confusion",
            "What is taken for what",
            findings.of_confusion,
            "Classes taken for each other stand together; all seeds summed.",
        ),
        (
            "messages-pca",
            "The Sender's last messages",
            findings.of_projection,
            "Each point is a message, larger where several images got it; framed marks are class means.",
        ),
    )
    return [
        _shown(inputs, f"{name}-{run}", title, nothing if test is None else finding(test), key)
        for name, title, finding, key in kinds
    ]


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
