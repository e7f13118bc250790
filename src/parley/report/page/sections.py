"""Gather the content of the report page, for the experiment and for each run, as plain data for the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from parley.analysis.summary import SummaryRow
from parley.core.formats import counted
from parley.game.settings import PRESETS
from parley.metrics.conversations import read_conversations
from parley.metrics.plugin_metrics import plugin_metrics
from parley.metrics.pooling import PooledPart, mean_over_seeds
from parley.metrics.records import finite
from parley.metrics.registry import LANGUAGE_METRICS, in_report
from parley.report.figures.registry import OVERVIEW, RUN_FIGURES, FigureInfo, plugin_figures
from parley.report.figures.results import RunFiles, RunResults
from parley.report.page import caveats, headline, opening
from parley.report.page.examples import choose_examples, choose_typical, first_of_each_class
from parley.report.page.findings import WORDS, Words
from parley.report.page.funnel import Funnel
from parley.report.page.inline import Styles, inline_figure

Owner = tuple[str, int]
"""Name of a run, and a seed."""
CONTINUOUS = (
    "This run's messages are real numbers, not bits, so no dialogues are shown here. All dialogues are in "
    "messages.hdf5 in the folder of each seed."
)
MANY_RUNS = 3
"""With more than this number of runs, the page begins with a summary of all runs, and each section is folded."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The results from which the page is made.

    Attributes
    ----------
    rows, failed
        Rows of the summary; and the run and seed of each failed training.
    files
        Files of all runs and seeds that the figures and sentences about a run use.
    evaluations, messages
        Content of evaluation.json, and path of the file of test messages, by run and seed.
    figures
        Folder that contains the files of the figures.
    config
        The merged config.
    language
        Rows of language.csv; empty if the file was not made.
    styles
        Style sheet shared by the page's figures.
    """

    rows: list[SummaryRow]
    failed: list[Owner]
    files: RunFiles
    evaluations: dict[Owner, dict[str, Any]]
    messages: dict[Owner, Path]
    figures: Path
    config: Mapping[str, Any]
    language: Sequence[Mapping[str, str]] = ()
    styles: Styles = field(default_factory=Styles)

    @property
    def runs(self) -> list[str]:
        """Names of all runs in the order of the summary; runs without a successful seed come last."""
        return list(dict.fromkeys([row.run for row in self.rows] + [run for run, _ in self.failed]))

    def game(self, run: str) -> Mapping[str, Any]:
        """Return the game settings of a run."""
        return self._settings("game", run)

    def annealed(self, run: str) -> bool:
        """Return whether the learning rate of a run falls to 0."""
        return self._settings("training", run).get("learning_rate_schedule") == "cosine"

    def _settings(self, section: str, run: str) -> Mapping[str, Any]:
        own: Mapping[str, Any] = next((one for one in self.config.get("runs", []) if one.get("name") == run), {})
        return {**self.config.get(section, {}), **own.get(section, {})}


def lead(inputs: Inputs) -> str:
    """Return a sentence with the numbers of runs, seeds, test images and classes."""
    trained = set(inputs.evaluations) | set(inputs.failed)
    seeds = {seed for _, seed in trained}
    test = next((row for row in inputs.rows if row.part == "test" and row.images is not None), None)
    text = f"{counted(len(inputs.runs), 'run')}, {counted(len(seeds), 'seed')}"
    if test is None or test.candidates is None:
        return f"{text}."
    return f"{text}; tested on {counted(test.images or 0, 'image')} of {counted(test.candidates, 'class')}."


def table(rows: Sequence[SummaryRow]) -> list[dict[str, Any]]:
    """Return the lines of the results table: one for each run and split, with metric → row of the summary."""
    lines: dict[tuple[str, str], dict[str, SummaryRow]] = {}
    for row in rows:
        lines.setdefault((row.run, row.part), {})[row.metric] = row
    return [{"run": run, "part": part, "metrics": metrics} for (run, part), metrics in lines.items()]


def one_k(rows: Sequence[SummaryRow]) -> int | None:
    """Return the k of accuracy@k; None if k differs between rows, because splits with few classes use a smaller k."""
    ks = {row.k for row in rows if row.metric == "accuracy@k"}
    return ks.pop() if len(ks) == 1 else None


def overview(inputs: Inputs) -> dict[str, Any]:
    """Return the figure that compares all runs, with its heading and finding."""
    heading, finding = headline.overview(inputs.rows)
    if len(inputs.runs) > MANY_RUNS:
        # The top of the page already states the numbers.
        finding = "Each row is a run, each column a split."
    fewest = min((row.n_seeds for row in inputs.rows if row.n_seeds > 1), default=0)
    return _figure(inputs, OVERVIEW, OVERVIEW.name, heading, finding, fewest)


def examples_of_classes(inputs: Inputs) -> dict[str, str]:
    """Return a mapping from each class of the test split to the key of one of its images."""
    for path in inputs.messages.values():
        return first_of_each_class(read_conversations(path))
    return {}


def summary_texts(
    inputs: Inputs, results: Mapping[str, RunResults], language: opening.Lines, funnel: Funnel | None
) -> list[tuple[str, list[str]]]:
    """Return the paragraphs of the summary that opens the page, each with its name, if they have a sentence.

    `results` and `language` have the content of each run.
    """
    games = {run: inputs.game(run) for run in inputs.runs}
    classes = next((row.candidates for row in inputs.rows if row.part == "test"), None)
    seeds = sorted({seed for _, seed in [*inputs.evaluations, *inputs.failed]})
    texts = [
        ("The game", opening.the_game(list(games.values()), classes)),
        ("Data and seeds", opening.data_and_seeds(inputs.rows, inputs.runs, seeds)),
        ("Accuracy", [*opening.accuracy(inputs.rows), *opening.controls(games)]),
        ("What the dialogue adds", opening.dialogue_gain(results, inputs.rows)),
        ("What the messages carry", opening.message_content(results, language, classes)),
        ("Caveats", caveats.find_caveats(inputs.rows, inputs.failed, results, funnel, inputs.config)),
    ]
    return [(name, sentences) for name, sentences in texts if sentences]


def _stop_rule(game: Mapping[str, Any]) -> str | None:
    """Return a game's stop rule; None if its Receiver does not decide when to stop."""
    adaptive = PRESETS.get(game.get("preset", "Adaptive"), {}).get("adaptive", True)
    return str(game.get("stop_rule", "product")) if adaptive else None


def run_section(
    inputs: Inputs,
    run: str,
    results: RunResults,
    language: Sequence[Mapping[str, Any]],
    class_examples: Mapping[str, str],
) -> dict[str, Any]:
    """Return the content of the page about one run.

    `results` and `language` are of this run; `class_examples` maps each class to the key of its example image.
    """
    test, stop_rule = results.test, _stop_rule(inputs.game(run))
    path = None if test is None else inputs.messages.get((run, test.projection.seed))
    recorded = None if path is None else read_conversations(path)
    return {
        "name": run,
        "about": _about(inputs.game(run)),
        "failures": headline.failures([seed for owner, seed in inputs.failed if owner == run]),
        "headline": headline.headline(run, inputs.rows, test),
        "figures": [
            _figure(inputs, figure, f"{figure.name}-{run}", *_words(figure, results), seeds=len(results.chosen))
            for figure in (*RUN_FIGURES, *plugin_figures())
        ],
        "examples": [] if recorded is None else choose_examples(recorded, stop_rule),
        "typical": None if recorded is None else choose_typical(recorded, stop_rule),
        "stop_rule": stop_rule,
        # The reason why no example dialogue is shown.
        "unshown": CONTINUOUS if recorded is not None and not recorded.binary else "",
        "example_seed": None if test is None else test.projection.seed,
        "language": language,
        "language_finding": of_language(language),
        "exchanges": [] if test is None else _exchange_lines(test),
        "classes": [] if test is None else _class_lines(test, class_examples),
        "k": one_k([row for row in inputs.rows if (row.run, row.part) == (run, "test")]),
        "seeds": _seed_lines(inputs, run, results),
        "warnings": results.warnings,
    }


def _about(game: Mapping[str, Any]) -> str:
    """Describe a run's game: preset, bits per message and maximum number of exchanges."""
    phrases = [str(game["preset"])] if "preset" in game else []
    if "message_bits" in game:
        phrases.append(f"{counted(int(game['message_bits']), opening.unit(game))} per message")
    if "max_exchanges" in game:
        phrases.append(f"at most {counted(int(game['max_exchanges']), 'exchange')}")
    return ", ".join(phrases)


def _words(figure: FigureInfo, results: RunResults) -> Words:
    """Return the heading and finding of a figure; empty for one of a plug-in, which has only a title and a caption."""
    return WORDS[figure.name](results) if figure.name in WORDS else ("", "")


def _figure(inputs: Inputs, figure: FigureInfo, file: str, heading: str, finding: str, seeds: int) -> dict[str, Any]:
    """Return the SVG, texts and file links of a figure; `file` is the name of its files without extension.

    `seeds` is the number of values in its smallest interval.
    """
    svg, wide = inline_figure(
        inputs.figures / f"{file}.svg",
        figure.heading,
        f"{heading}. {finding}" if heading else figure.key,
        inputs.styles,
    )
    return {
        "name": file,
        "kind": figure.heading,
        "heading": heading,
        "finding": finding,
        "key": figure.key,
        "seeds": seeds,
        "svg": svg,
        "wide": wide,
        "files": {ending.upper(): quote(f"{inputs.figures.name}/{file}.{ending}") for ending in ("svg", "pdf")},
    }


def _exchange_lines(part: PooledPart) -> list[dict[str, float]]:
    """Return means over seeds by exchange: the fraction of active dialogues (`talking`), and metrics of all images."""
    columns = {
        "talking": part.talking,
        "accuracy": part.by_exchange["accuracy@1_all"],
        "prediction_bits": part.by_exchange["prediction_entropy_bits_all"],
        "sender_bits": part.by_exchange["sender_entropy_bits_all"],
        "receiver_bits": part.by_exchange["receiver_entropy_bits_all"],
    }
    means = {name: mean_over_seeds(values).tolist() for name, values in columns.items()}
    return [{name: values[t] for name, values in means.items()} for t in range(part.max_exchanges)]


def _class_lines(part: PooledPart, class_examples: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return mean length and accuracy of each class that has images, longest dialogues first."""
    lengths, accuracies = mean_over_seeds(part.class_length), mean_over_seeds(part.class_accuracy)
    order = [c for c in np.argsort(-lengths, kind="stable").tolist() if np.isfinite(lengths[c])]
    return [
        {
            "label": part.labels[c],
            "key": class_examples.get(part.labels[c]),
            "length": float(lengths[c]),
            "accuracy": float(accuracies[c]),
        }
        for c in order
    ]


def _seed_lines(inputs: Inputs, run: str, results: RunResults) -> list[dict[str, Any]]:
    """Return the selected step and the test metrics of each seed of a run; they are None if the seed failed."""
    lines = []
    for seed in sorted({seed for owner, seed in [*inputs.evaluations, *inputs.failed] if owner == run}):
        entry = inputs.evaluations.get((run, seed), {}).get("parts", {}).get("test", {})
        metrics = {name: finite(entry.get(name)) for name in ("accuracy@1", "accuracy@k", "nll", "length")}
        lines.append({"seed": seed, "chosen_step": results.chosen.get(seed), **metrics})
    return lines


def language_lines(rows: Sequence[Mapping[str, str]], run: str) -> list[dict[str, Any]]:
    """Return a run's test rows of language.csv that have a mean. Numbers are parsed; empty cells become None."""
    own = {row["metric"]: row for row in rows if row["run"] == run and row["part"] == "test" and row["mean"]}
    numbers = ("mean", "low", "high", "null_mean", "null_high", "largest_p")
    return [
        {
            "metric": metric.name,
            "name": metric.label,
            "definition": metric.doc,
            "unit": row["unit"],
            "less_is_better": metric.less_is_better,
            **{column: float(row[column]) if row[column] else None for column in numbers},
            **{column: int(row[column]) for column in ("n_seeds", "seeds_failed")},
        }
        for metric in in_report([*LANGUAGE_METRICS, *plugin_metrics()])
        if (row := own.get(metric.name))
    ]


def of_language(lines: Sequence[Mapping[str, Any]]) -> str:
    """State which metrics exceed their permutation null, with p < 0.05 in every seed that has the metric."""
    tested = [line for line in lines if line["largest_p"] is not None]
    if not tested:
        return "No metric that is compared with a null distribution was measured."
    # A metric may be missing for some seeds, for example for a seed whose messages are all identical.
    groups: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for line in sorted(tested, key=lambda line: line["seeds_failed"]):
        groups.setdefault((line["n_seeds"], line["seeds_failed"]), []).append(line)
    return " ".join(_of_group(group, *seeds) for seeds, group in groups.items())


def _of_group(lines: Sequence[Mapping[str, Any]], measured: int, missing: int) -> str:
    """Return a sentence about metrics that have a value for `measured` seeds and none for `missing` seeds."""
    seeds = "in every seed"
    if missing:
        which = "the one seed that has" if measured == 1 else f"each of the {measured} seeds that have"
        seeds = f"in {which} a value, of {measured + missing} seeds"
    inside = [line["name"] for line in lines if line["largest_p"] >= 0.05]
    beyond, of = len(lines) - len(inside), f"{len(lines)} metrics that have a null distribution"
    chance = f"chance {seeds} (p < 0.05)"
    if len(lines) == 1:
        return f"{lines[0]['name']}: {'beyond' if beyond else 'not beyond'} {chance}."
    if not inside:
        return f"All {of} are beyond {chance}."
    if not beyond:
        return f"None of the {of} is beyond {chance}."
    return f"{beyond} of the {of} {'is' if beyond == 1 else 'are'} beyond {chance}. The others: {'; '.join(inside)}."
