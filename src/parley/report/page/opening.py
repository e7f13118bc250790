"""The summary that opens the page: sentences for a reader who has never heard of the game.

Each function returns the sentences that the results support; it returns none about what was not measured.
"""

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

from parley.analysis.summary import SummaryRow
from parley.core.formats import counted, listed, measure, percent
from parley.game.settings import PRESETS
from parley.metrics.pooling import Flips
from parley.metrics.statistics import t_interval
from parley.report.figures.results import RunResults
from parley.report.page import headline
from parley.report.page.findings import gain

ALL_DISTINCT = 0.95
"""Number of different messages per image above which mutual information says nothing."""
MANY_DISTINCT = 0.1
"""Number of different messages per image above which the correction of mutual information can be too strong."""
LANGUAGE = {
    "information": ("carries information about the class", "mutual information (in bits)"),
    "topographic_similarity": ("tends to be similar for classes with similar descriptions", "the rank correlation"),
    "topographic_similarity_attributes": (
        "tends to be similar for classes that share many attributes",
        "the rank correlation",
    ),
    "topographic_similarity_features": (
        "tends to be similar for images with similar visual features",
        "the rank correlation",
    ),
    "positional_disentanglement": (
        "has bits that encode single attributes of the class, such as a colour, more than by chance",
        "positional disentanglement (from 0 to 1)",
    ),
}
"""Metrics of language.csv in the summary: what they show of the last message if they exceed their null; the measure."""

Lines = Mapping[str, Sequence[Mapping[str, Any]]]
"""Run → the rows of language.csv that `language_lines` returns."""


def the_game(games: Sequence[Mapping[str, Any]], classes: int | None) -> list[str]:
    """Explain the game, given the game settings of all runs and the number of candidate classes of the test split."""
    number = f"each of {counted(classes, 'class')}" if classes else "each class"
    widths = sorted({int(game["message_bits"]) for game in games if "message_bits" in game})
    units = sorted({f"{unit(game)}s" for game in games})
    messages = f"messages of {_either(widths)} {_either(units)}" if widths else "messages"
    exchanges = sorted({int(game["max_exchanges"]) for game in games if "max_exchanges" in game})
    return [
        "Two neural networks play a game. One, the Sender, sees an image. The other, the Receiver, does not see the "
        f"image: it has a description of {number} (the candidates) and must name the class of the image.",
        f"They communicate by {messages}, in a dialogue of one or more exchanges. In each exchange, the Sender sends a "
        "message, and the Receiver gives each candidate a probability. If the dialogue goes on, the Receiver replies "
        "with a message of its own, which the Sender takes into account in the next exchange. "
        + " ".join(_endings(games, exchanges)),
        "Messages have no meaning beforehand: they acquire one while the networks are trained to make the Receiver's "
        "answers correct.",
    ]


def unit(game: Mapping[str, Any]) -> str:
    """Return the noun for an element of a game's messages."""
    return "real number" if str(game.get("channel", "")).startswith("continuous") else "bit"


def _either(values: Sequence[object]) -> str:
    return listed([str(value) for value in values]).replace(" and ", " or ")


def _endings(games: Sequence[Mapping[str, Any]], exchanges: Sequence[int]) -> list[str]:
    """Describe how dialogues end, in adaptive games and in games of fixed length."""
    adaptive = {PRESETS[game["preset"]]["adaptive"] for game in games if game.get("preset") in PRESETS}
    if not exchanges:
        return []
    number = _either([f"{value:,}" for value in exchanges])
    if list(exchanges) == [1]:
        return ["A dialogue has one exchange; the Receiver's answer is the candidate with the highest probability."]
    answer = "When the dialogue ends, the Receiver's answer is the candidate with the highest probability."
    if adaptive == {False}:
        return [f"A dialogue has {number} exchanges.", answer]
    ends = f"The Receiver decides after each exchange whether to stop; a dialogue has at most {number} exchanges."
    return [ends, *["In some of the games compared here, no dialogue stops early."] * (False in adaptive), answer]


def data_and_seeds(rows: Sequence[SummaryRow], runs: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """State the images and classes of each split, and the number of seeds."""
    row_of = {row.part: row for row in reversed(rows) if row.metric == "accuracy@1" and row.images is not None}
    sentences = []
    if "test" in row_of and row_of["test"].candidates:
        others = [f"{use} ({part}: {row_of[part].images:,})" for part, use in _USES.items() if part in row_of]
        sentences.append(
            f"The networks are tested on {row_of['test'].images:,} images of "
            f"{counted(row_of['test'].candidates, 'class')} (test)."
            + (f" Other images of the same classes are used {listed(others)}." if others else "")
        )
    for part, kind in (("ood", ""), ("transfer", " of another kind")):
        if part in row_of:
            alone = row_of.get(f"{part}_alone")
            unseen = counted(alone.candidates, "unseen class") if alone and alone.candidates else "unseen classes"
            images = f"Another {row_of[part].images:,} images"
            sentences.append(f"{images} are of {unseen}{kind}, absent from training ({part}).")
    if len(runs) > 1:
        sentences.append(f"{len(runs):,} variants of the game (runs) are compared.")
    if len(seeds) > 1:
        what = "In each run, the" if len(runs) > 1 else "The"
        sentences.append(
            f"{what} networks were trained {len(seeds):,} times, each time with a different random seed. "
            "Each result is the mean over the seeds, with its 95 % interval in brackets; the interval is wide "
            "if the seeds differ much or are few."
        )
    return sentences


_USES = {
    "train": "for training",
    "dev": "for choosing the checkpoint (saved state of the networks) to test",
}


def accuracy(rows: Sequence[SummaryRow]) -> list[str]:
    """Compare accuracy with chance on each held-out split: of the only run, or counted over several runs."""
    own = [row for row in rows if row.metric == "accuracy@1" and row.part in headline.SPLITS]
    if len({row.run for row in own}) > 1:
        return headline.by_split(own)
    return [_accuracy(row) for part in headline.SPLITS for row in own if row.part == part]


def _accuracy(row: SummaryRow) -> str:
    about = f"On {row.part} ({headline.SPLITS[row.part]})"
    if row.mean is None:
        return f"{about}, {headline.FAILED}."
    span = ""
    if row.low is not None and row.high is not None:
        span = f" [{percent(row.low)}, {percent(row.high)}]{_mark(row.n_seeds)}"
    sentence = f"{about}, the Receiver names the correct class for {percent(row.mean)} of the images{span}"
    if row.chance is None:
        return f"{sentence}."
    verdict = headline.against_chance(row)
    if verdict == headline.NO_CHOICE:
        return f"{sentence}; there is no other candidate."
    guess = f"a random guess among {row.candidates:,} classes is correct for {percent(row.chance)} of them"
    if verdict == headline.NO_INTERVAL:
        return f"{sentence}; {guess}. {headline.ONE_SEED}"
    if verdict == headline.ABOVE:
        return f"{sentence}, {row.mean / row.chance:.1f} times as many as by chance: {guess}."
    return f"{sentence}, {verdict}: {guess}."


def _mark(seeds: int) -> str:
    """Return the mark of an interval from two seeds."""
    return " (n = 2)" if seeds == 2 else ""


def controls(games: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Name the runs whose messages are silenced, ignored, shuffled or damaged, or whose labels are permuted.

    `games` maps each run to its game settings.
    """
    sentences = []
    for run, game in games.items():
        agents = ("Sender", "Receiver")
        what = [f"the {one}'s messages are replaced by zeros" for one in agents if game.get(f"ignore_{one.lower()}")]
        shuffled = [one for one in agents if game.get("shuffle") in (one.lower(), "both")]
        what += [f"the {one}'s messages are replaced, in evaluation, by those of other dialogues" for one in shuffled]
        if game.get("ignore_code"):
            what.append("the Sender ignores the Receiver's messages, except in its attention")
        if game.get("corrupt_bits"):
            what.append(f"bits {game['corrupt_bits']} of the Sender's messages are flipped in evaluation")
        if game.get("permute_labels"):
            what.append("the labels are permuted among the images")
        if what:
            sentences.append(f"Run {run} is a control: {listed(what)}.")
    return sentences


def dialogue_gain(results: Mapping[str, RunResults], rows: Sequence[SummaryRow]) -> list[str]:
    """State what the exchanges after the first add to accuracy on test: of the only run, or counted over several."""
    tests = {run: one.test for run, one in results.items() if one.test is not None and one.test.max_exchanges > 1}
    if not tests:
        return []
    if len(results) > 1:
        gains = [over for test in tests.values() if (over := gain(test).over).low is not None]
        if not gains:
            return ["With one seed of each run, it cannot be tested whether exchanges after the first raise accuracy."]
        raised, lowered = (sum(_beyond(over.low, over.high) == way for over in gains) for way in (1, -1))
        return [
            f"Exchanges after the first raise accuracy on test in {raised} of {counted(len(gains), 'run')} with more "
            f"than one exchange and lower it in {lowered}; in the others, no significant change was found."
        ]
    [(run, test)] = tests.items()
    first, last, over = gain(test)
    change = f"{100 * (over.mean or 0):+.1f} percentage points"
    if over.low is not None and over.high is not None:
        change += f" [{100 * over.low:+.1f}, {100 * over.high:+.1f}]{_mark(over.n)}"
    sentence = (
        f"If all dialogues stopped after the first exchange, {percent(first)} of the answers on test would be "
        f"correct; if all went on to exchange {test.max_exchanges}, {percent(last)} would be: a change of {change}"
    )
    verdicts = {1: ", so further exchanges help", -1: ", so further exchanges do harm", 0: ", which is not significant"}
    verdict = " (one seed)" if over.low is None else verdicts[_beyond(over.low, over.high)]
    length = next((row.mean for row in rows if (row.run, row.part, row.metric) == (run, "test", "length")), None)
    taken = [] if length is None else [headline.of_length(length, test.max_exchanges)]
    return [f"{sentence}{verdict}.", *taken]


def _beyond(low: float | None, high: float | None) -> int:
    """Return 1 or -1 if an interval lies above or below 0, otherwise 0."""
    if low is None or high is None:
        return 0
    return 1 if low > 0 else -1 if high < 0 else 0


def message_content(results: Mapping[str, RunResults], language: Lines, classes: int | None) -> list[str]:
    """State what depends on the messages and what information they carry: of one run, or counted over several."""
    if len(results) > 1:
        return _of_several_runs(language, len(results))
    sentences = [sentence for one in results.values() if one.flips is not None for sentence in [_of_flips(one.flips)]]
    for lines in map(_informative, language.values()):
        if not any(line["metric"] == "information" for line in lines) and any(map(_is_distinct, lines)):
            sentences.append(
                "Nearly every image gets a message of its own, so mutual information cannot show how much the messages "
                "reveal about the class."
            )
        sentences += [_of_metric(line) for metric in LANGUAGE if (line := _tested(lines, metric)) is not None]
        corrected = next((line for line in lines if line["metric"] == "information_corrected"), None)
        if corrected is not None and classes and classes > 1:
            sentences.append(
                f"Corrected for chance, the message gives {_with_interval(corrected)} bits of information about the "
                f"class; telling {classes:,} classes apart takes {log2(classes):.2f}.{_overcorrected(lines)}"
            )
    return sentences


def _of_several_runs(language: Lines, runs: int) -> list[str]:
    """Count the runs in which the last message carries more than by chance, for each metric."""
    tests = {metric: [_tested(_informative(own), metric) for own in language.values()] for metric in LANGUAGE}
    return [
        f"In {sum(line['largest_p'] < 0.05 for line in tested)} of {counted(len(tested), 'run')}"
        f"{'' if len(tested) == runs else ' in which this can be tested'}, the Sender's "
        f"last message {LANGUAGE[metric][0]}, significantly so in every measured seed (p < 0.05)."
        for metric, found in tests.items()
        if (tested := [line for line in found if line is not None])
    ]


def _is_distinct(line: Mapping[str, Any]) -> bool:
    return bool(line["metric"] == "distinct_messages" and line["mean"] > ALL_DISTINCT)


def _overcorrected(lines: Sequence[Mapping[str, Any]]) -> str:
    """Warn that significant mutual information may be underestimated if many messages are distinct."""
    distinct = next((line["mean"] for line in lines if line["metric"] == "distinct_messages"), 0.0)
    information = _tested(lines, "information")
    if distinct <= MANY_DISTINCT or information is None or information["largest_p"] >= 0.05:
        return ""
    return (
        f" The estimate may be too low, even far too low: with {distinct:.2f} distinct messages per image, the "
        "correction can be too strong. Compare only runs with similar numbers of distinct messages."
    )


def _informative(lines: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Leave out mutual information if nearly every image has a message of its own: permutations give as much."""
    if not any(map(_is_distinct, lines)):
        return lines
    return [line for line in lines if not line["metric"].startswith("information")]


def _tested(lines: Sequence[Mapping[str, Any]], metric: str) -> Mapping[str, Any] | None:
    """Return the row of a metric that was tested against its null."""
    return next((line for line in lines if line["metric"] == metric and line["largest_p"] is not None), None)


def _with_interval(line: Mapping[str, Any]) -> str:
    mean, low, high = (measure(line[name], line["unit"]) for name in ("mean", "low", "high"))
    return mean if line["low"] is None else f"{mean} [{low}, {high}]{_mark(line['n_seeds'])}"


def _of_metric(line: Mapping[str, Any]) -> str:
    beyond, name = LANGUAGE[line["metric"]]
    seeds = "in every seed" if not line["seeds_failed"] else f"in every seed with a value ({line['n_seeds']:,})"
    found = f"{name} is {_with_interval(line)}, compared with {measure(line['null_mean'], line['unit'])} by chance"
    if line["largest_p"] < 0.05:
        return (
            f"The Sender's last message {beyond}: {found} (permutation test: p at most "
            f"{measure(line['largest_p'], 'p')} {seeds})."
        )
    return (
        f"It cannot be shown that the Sender's last message {beyond}: {found} "
        f"(permutation test: p up to {measure(line['largest_p'], 'p')})."
    )


def _of_flips(flips: Flips) -> str:
    """Compare accuracy with no bit and with all bits of the Sender's messages flipped, within each seed."""
    none, every = flips.accuracy[:, 0], flips.accuracy[:, -1]
    sentence = (
        f"If all {counted(flips.counts[-1], 'bit')} of each Sender message are flipped, {percent(every.mean())} "
        f"of the answers on test are correct instead of {percent(none.mean())}"
    )
    over = t_interval((every - none).tolist())
    if over.low is None:
        return f"{sentence} (one seed)."
    return (
        f"{sentence}: the answers depend on the messages."
        if _beyond(over.low, over.high) == -1
        else (f"{sentence}: it cannot be shown that the answers depend on the messages.")
    )
