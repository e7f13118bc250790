"""What was found, in sentences computed from the numbers: the headline and what each figure shows."""

from collections.abc import Mapping, Sequence

import numpy as np

from parley.analysis.summary import SummaryRow
from parley.core.formats import counted, exchanges, fraction, interval, isolated, listed, percent
from parley.metrics.pooling import Flips, PooledPart, mean_over_seeds
from parley.metrics.records import Curve
from parley.metrics.statistics import correlation
from parley.report.figures.curves import band
from parley.report.figures.overview import TITLES

COLLAPSED = 1.05
"""Mean length below which dialogues are reported as collapsed to one exchange."""


def headline(run: str, rows: Sequence[SummaryRow], test: PooledPart | None) -> list[str]:
    """Summarise a run's results in a few sentences.

    Parameters
    ----------
    run
        Its name.
    rows
        Of the summary, of any run.
    test
        What its seeds found on the test part; None where nothing was.
    """
    own = {(row.part, row.metric): row for row in rows if row.run == run}
    sentences = []
    for part, about in (
        ("test", "On test images of the classes it was trained on"),
        ("ood_alone", "On classes it never saw, with only those as candidates"),
        ("ood", "On the same images with the seen classes as candidates too"),
        ("transfer_alone", "On classes of another kind, with only those as candidates"),
        ("transfer", "On the same images with the seen classes as candidates too"),
    ):
        if (part, "accuracy@1") in own:
            sentences.append(f"{about}, {_accuracy(own[part, 'accuracy@1'])}.")
    length = own.get(("test", "length"))
    if length is not None and length.mean is not None and test is not None:
        sentences.append(_length(length, test.max_exchanges))
    return sentences


def failures(failed: Sequence[int]) -> str | None:
    """Say which seeds of a run failed; None where none did."""
    if not failed:
        return None
    verb = "is" if len(failed) == 1 else "are"
    numbers = listed([str(seed) for seed in failed])
    return f"{counted(len(failed), 'seed')} of this run failed and {verb} in no mean: seed {numbers}."


def _accuracy(row: SummaryRow) -> str:
    if row.mean is None:
        return "no seed came through"
    said = f"accuracy@1 is {fraction(row.mean)}"
    if row.low is None:
        said += f" ({counted(row.n_seeds, 'seed')}, so no interval)"
    else:
        said += f" {interval(row.low, row.high)} over {counted(row.n_seeds, 'seed')}"
    if row.chance is None:
        return said
    return f"{said}, {row.mean / row.chance:.1f} times chance ({fraction(row.chance)}){_verdict(row)}"


def _verdict(row: SummaryRow) -> str:
    return "" if row.beats_chance is None or row.beats_chance else f": {_against_chance(row)}"


def _is_below(row: SummaryRow) -> bool:
    return row.high is not None and row.chance is not None and row.high < row.chance


def _length(row: SummaryRow, longest: int) -> str:
    said = f"Its conversations about test images take {exchanges(row.mean)} exchanges on average, of at most {longest}"
    if longest == 1 or row.mean is None:
        return f"{said}."
    if row.mean < COLLAPSED:
        return f"{said}: nearly all stop after the first, so that hardly anything is asked."
    return f"{said}: none stops early." if row.mean == longest else f"{said}."


def of_parts(rows: Sequence[SummaryRow]) -> str:
    """Say what the figure of accuracy by part shows: where accuracy@1 lies above chance, and where not."""
    own = [row for row in rows if row.metric == "accuracy@1" and row.mean is not None]
    if not own:
        return "No seed of any run came through."
    if len({row.run for row in own}) > 1:
        return _of_runs(own)
    verdicts: dict[str, list[str]] = {}
    for row in own:
        said = f"{TITLES.get(row.part, row.part).lower()} {fraction(row.mean)} (chance {fraction(row.chance)})"
        verdicts.setdefault(_against_chance(row), []).append(said)
    return " ".join(f"{verdict.capitalize()}: {'; '.join(said)}." for verdict, said in verdicts.items())


def _of_runs(rows: Sequence[SummaryRow]) -> str:
    return " ".join(of_each_part(rows))


def of_each_part(rows: Sequence[SummaryRow]) -> list[str]:
    """Say for each part how many runs lie above chance, and which is best."""
    rows = [row for row in rows if row.metric == "accuracy@1" and row.mean is not None]
    sentences = []
    for part in dict.fromkeys(row.part for row in rows):
        own = [row for row in rows if row.part == part]
        above = sum(row.beats_chance is True for row in own)
        best = max(own, key=lambda row: row.mean or 0.0)
        sentences.append(
            f"{TITLES.get(part, part)}: {above} of {counted(len(own), 'run')} above chance, "
            f"best {best.run} with {fraction(best.mean)}."
        )
    return sentences


def _against_chance(row: SummaryRow) -> str:
    if row.beats_chance is None:
        return "one seed, so no interval"
    if row.beats_chance:
        return "above chance"
    return "below chance" if _is_below(row) else "not told apart from chance"


def of_curves(curves: Sequence[Curve], chosen: Mapping[int, int]) -> str:
    """Say what the learning curves show."""
    over = band([curve for curve in curves if curve.steps], "accuracy@1")
    if not len(over.steps):
        return "No step has a dev evaluation of every seed."
    mean_of = f", the mean of {counted(len(curves), 'seed')}," if len(curves) > 1 else ""
    said = (
        f"Dev accuracy@1{mean_of} goes from {fraction(float(over.mean[0]))} at step {over.steps[0]:,} to "
        f"{fraction(float(over.mean[-1]))} at step {over.steps[-1]:,}."
    )
    if len(over.steps) == 1:
        said = f"Dev accuracy@1 is {fraction(float(over.mean[0]))} at step {over.steps[0]:,}, the only evaluation."
    last = {curve.seed: curve.steps[-1] for curve in curves if curve.steps}
    at_end = sum(chosen.get(seed) == step for seed, step in last.items())
    if at_end and len(over.steps) > 1:
        said += f" For {at_end} of {counted(len(last), 'seed')} the last evaluation was chosen: longer may be better."
    return said


def of_exchanges(part: PooledPart) -> str:
    """Say what the figure by exchange shows."""
    accuracy = mean_over_seeds(part.by_exchange["accuracy@1_all"])
    entropy = mean_over_seeds(part.by_exchange["prediction_entropy_bits_all"])
    if part.max_exchanges == 1:
        return (
            f"The one exchange leaves {entropy[0]:.2f} bits of indecision about {counted(len(part.labels), 'class')}."
        )
    said = (
        f"An answer after the first exchange would be right for {fraction(float(accuracy[0]))} of the images, after "
        f"exchange {part.max_exchanges} for {fraction(float(accuracy[-1]))}; the prediction's entropy goes from "
        f"{entropy[0]:.2f} to {entropy[-1]:.2f} bits."
    )
    moves = []
    for agent in ("Sender", "Receiver"):
        message = mean_over_seeds(part.by_exchange[f"{agent.lower()}_entropy_bits_all"])
        if np.isfinite(message).all():
            moves.append(f"the {agent}'s from {message[0]:.1f} to {message[-1]:.1f} bits")
    return f"{said} Message entropy: {listed(moves)}." if moves else said


def of_flips(flips: Flips | None, candidates: int) -> str:
    """Say what the figure of flipped bits shows."""
    if flips is None:
        return "This run's messages are no bits, or none of its seeds came through."
    mean = flips.accuracy.mean(axis=0)
    steps = [f"{fraction(float(value))} with {count}" for count, value in zip(flips.counts[1:], mean[1:], strict=True)]
    return (
        f"Accuracy@1 is {fraction(float(mean[0]))} undisturbed, and {listed(steps)} of "
        f"{counted(flips.counts[-1], 'bit')} of each Sender message flipped (chance {fraction(1 / candidates)})."
    )


def of_lengths(part: PooledPart) -> str:
    """Say what the figure of length by class shows."""
    lengths, accuracies = mean_over_seeds(part.class_length), mean_over_seeds(part.class_accuracy)
    known = np.isfinite(lengths)
    if lengths[known].min() == lengths[known].max():
        return f"Conversations about every class take {exchanges(float(lengths[known][0]))} exchanges."
    longest, shortest = int(np.nanargmax(lengths)), int(np.nanargmin(lengths))
    said = (
        f"Longest about {isolated(part.labels[longest])} ({exchanges(float(lengths[longest]))} exchanges), "
        f"shortest about {isolated(part.labels[shortest])} ({exchanges(float(lengths[shortest]))})."
    )
    over = correlation(lengths, accuracies)
    if over is None:
        return said
    sign = "more" if over.r > 0 else "fewer"
    verdict = f"longer talk goes with {sign} right answers" if over.low * over.high > 0 else "not told apart from none"
    return (
        f"{said} Over {counted(over.n, 'class')}, length and accuracy correlate at r = {over.r:.2f} "
        f"{interval(over.low, over.high, 2)}: {verdict}."
    )


def of_confusion(part: PooledPart) -> str:
    """Say what the confusion matrix shows: how much is right, and the two most frequent mistakes."""
    if (matrix := part.confusion) is None:
        return f"{len(part.labels):,} classes are too many for a matrix; `snakemake export` tells of each conversation."
    total, right = float(matrix.sum()), float(np.trace(matrix))
    said = f"Of {counted(round(total), 'conversation')} {percent(right / total)} name the right class."
    mistakes = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:2]
    worst = [(int(place) // len(matrix), int(place) % len(matrix)) for place in order]
    phrases = [
        f"{isolated(part.labels[true])} taken for {isolated(part.labels[taken])} "
        f"({percent(mistakes[true, taken] / matrix[true].sum())} of its conversations)"
        for true, taken in worst
        if mistakes[true, taken] > 0
    ]
    return f"{said} Most frequent mistakes: {listed(phrases)}." if phrases else said


def of_projection(part: PooledPart) -> str:
    """Say what the projection of messages shows."""
    points = part.projection
    images = len(points.targets)
    if points.distinct == 1:
        return f"The Sender's last message is the same for all {images:,} images of seed {points.seed}."
    median = ", the median in accuracy@1" if len(part.seeds) > 1 else ""
    return (
        f"Seed {points.seed}{median}: {counted(images, 'image')} got "
        f"{counted(points.distinct, 'different message')} of {counted(part.message_bits, 'bit')}; the two components "
        f"hold {percent(float(points.explained.sum()))} of their variance."
    )
