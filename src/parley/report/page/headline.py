"""Sentences about the main results: accuracy compared with chance on each split, and the seeds that failed."""

from collections.abc import Sequence

from parley.analysis.summary import SummaryRow
from parley.core.formats import counted, exchanges, fraction, interval, listed
from parley.metrics.pooling import PooledPart

SPLITS = {
    "test": "new images of seen classes",
    "ood_alone": "unseen classes, with only these as candidates",
    "ood": "unseen classes, with the seen classes as candidates too",
    "transfer_alone": "unseen classes of another kind, with only these as candidates",
    "transfer": "unseen classes of another kind, with the seen classes as candidates too",
}
"""Held-out splits in the order of the headline, each with its description."""
SEEN = {
    "dev": "other images of seen classes, used to select the checkpoint",
    "train": "the images used in training",
}
"""Splits that are not held out, each with its description."""
COLLAPSED = 1.05
"""Mean length, in exchanges, below which dialogues are reported as stopping after the first exchange."""
ABOVE, BELOW, NOT_DIFFERENT = "above chance", "below chance", "not significantly different from chance"
NO_INTERVAL, NO_CHOICE = "one seed, so no interval", "only one candidate"
IN_TABLE = {
    ABOVE: "above",
    BELOW: "below",
    NOT_DIFFERENT: "not significant",
    NO_INTERVAL: "no interval",
    NO_CHOICE: NO_CHOICE,
}
"""Results of `against_chance`, each with its text in the table of results."""
FAILED = "every seed failed"
ONE_SEED = "With one seed, there is no interval, so it cannot be tested whether accuracy is above chance."


def headline(run: str, rows: Sequence[SummaryRow], test: PooledPart | None) -> list[str]:
    """Summarise a run's results in a few sentences.

    Parameters
    ----------
    run
        Name of the run.
    rows
        Rows of the summary; rows of other runs are ignored.
    test
        The run's results on the test split, pooled over seeds; None if there are no results.
    """
    own = {(row.part, row.metric): row for row in rows if row.run == run}
    sentences = [
        f"On {about}, {_accuracy(own[part, 'accuracy@1'])}."
        for part, about in SPLITS.items()
        if (part, "accuracy@1") in own
    ]
    length = own.get(("test", "length"))
    if length is not None and length.mean is not None and test is not None:
        sentences.append(of_length(length.mean, test.max_exchanges))
    return sentences


def _accuracy(row: SummaryRow) -> str:
    if row.mean is None:
        return FAILED
    seeds = counted(row.n_seeds, "seed")
    over = f"({seeds}, so no interval)" if row.low is None else f"{interval(row.low, row.high)} over {seeds}"
    text = f"accuracy@1 is {fraction(row.mean)} {over}"
    verdict = against_chance(row)
    if verdict == NO_CHOICE:
        return f"{text}, with {NO_CHOICE}"
    if row.chance is None:
        return text
    doubt = f": {verdict}" if verdict in (BELOW, NOT_DIFFERENT) else ""
    return f"{text}, {row.mean / row.chance:.1f} times chance ({fraction(row.chance)}){doubt}"


def of_length(mean: float, longest: int) -> str:
    """State the mean length of the dialogues about test images, and whether hardly any, or none, stops early."""
    text = f"Dialogues about test images take {exchanges(mean)} exchanges on average (at most {longest})"
    if longest > 1 and mean < COLLAPSED:
        return f"{text}: nearly all stop after the first, so the Receiver hardly ever replies."
    return f"{text}: none stops early." if longest > 1 and mean == longest else f"{text}."


def against_chance(row: SummaryRow) -> str:
    """State whether a row's 95 % interval lies above or below chance or includes it, or why there is no verdict."""
    if row.candidates == 1:
        return NO_CHOICE
    if row.beats_chance is None:
        return NO_INTERVAL
    if row.beats_chance:
        return ABOVE
    return BELOW if row.high is not None and row.chance is not None and row.high < row.chance else NOT_DIFFERENT


def verdict_in_table(row: SummaryRow) -> str:
    """Return the verdict on a row of accuracy@1 for the table of results."""
    return IN_TABLE[against_chance(row)]


def failures(failed: Sequence[int]) -> str | None:
    """Return a sentence on the seeds of a run that failed; None if no seed failed."""
    if not failed:
        return None
    numbers = listed([str(seed) for seed in failed])
    if len(failed) == 1:
        return f"1 seed of this run failed and is excluded from all means: seed {numbers}."
    return f"{len(failed)} seeds of this run failed and are excluded from all means: seeds {numbers}."


def tiles(rows: Sequence[SummaryRow], run: str) -> list[tuple[str, SummaryRow, str]]:
    """Return for each held-out split: its description, the run's row of accuracy@1, and a comparison with chance."""
    own = {row.part: row for row in rows if row.run == run and row.metric == "accuracy@1"}
    return [
        (about[0].upper() + about[1:], own[part], _tile_text(own[part]))
        for part, about in SPLITS.items()
        if part in own
    ]


def _tile_text(row: SummaryRow) -> str:
    seeds = counted(row.n_seeds, "seed")
    if row.mean is None:
        return FAILED
    if row.chance is None:
        return seeds
    verdict = against_chance(row)
    if verdict == NO_CHOICE:
        return f"{verdict}; {seeds}"
    if verdict in (BELOW, NOT_DIFFERENT):
        return f"{verdict} ({fraction(row.chance)}); {seeds}"
    times = f"{row.mean / row.chance:.1f} × chance ({fraction(row.chance)}); {seeds}"
    return times if verdict == ABOVE else f"{times}, so no interval"


def overview(rows: Sequence[SummaryRow]) -> tuple[str, str]:
    """Return the heading and finding of the figure of accuracy by split, with the number of runs above chance."""
    own = [row for row in rows if row.metric == "accuracy@1" and row.mean is not None]
    if not own:
        return "Every seed failed", "Every seed of every run failed."
    several = len({row.run for row in own}) > 1
    judged = [row for row in own if against_chance(row) != NO_CHOICE and (row.part == "test" or not several)]
    above = sum(against_chance(row) == ABOVE for row in judged)
    limit = "" if len(judged) == len(own) else " with more than one candidate"
    if not judged:
        heading = "No result to compare with chance"
    elif all(against_chance(row) in (NO_INTERVAL, NO_CHOICE) for row in own):
        heading = "One seed, so no interval and no verdict"
    elif several:
        heading = f"{above} of {counted(len(judged), 'run')} above chance on new images of seen classes"
    elif above == len(judged):
        heading = f"Above chance on every split{limit}"
    else:
        heading = f"Above chance on {above} of {len(judged)} splits{limit}"
    if several:
        return heading, " ".join(by_split(own))
    texts: dict[str, list[str]] = {}
    for row in own:
        text = f"{row.part} {fraction(row.mean)} (chance {fraction(row.chance)})"
        texts.setdefault(against_chance(row), []).append(text)
    return heading, " ".join(
        f"{verdict.capitalize()}: {'; '.join(of_verdict)}." for verdict, of_verdict in texts.items()
    )


def by_split(rows: Sequence[SummaryRow]) -> list[str]:
    """Return a sentence for each split, with the number of runs above chance and the best run."""
    rows = [row for row in rows if row.metric == "accuracy@1" and row.mean is not None]
    sentences, about = [], {**SPLITS, **SEEN}
    for part in dict.fromkeys(row.part for row in rows):
        own = [row for row in rows if row.part == part]
        verdicts = [against_chance(row) for row in own]
        if set(verdicts) == {NO_CHOICE}:
            sentences.append(f"On {part} ({about[part]}), there is {NO_CHOICE}.")
            continue
        best = max(own, key=lambda row: row.mean or 0.0)
        chance, highest = fraction(best.chance), f"highest in run {best.run}: {fraction(best.mean)}"
        found = f"above chance ({chance}) in {verdicts.count(ABOVE)} of {counted(len(own), 'run')}, and {highest}"
        if set(verdicts) == {NO_INTERVAL}:
            found = f"{highest} (chance: {chance}; with one seed, the difference cannot be tested)"
        sentences.append(f"On {part} ({about[part]}), the fraction of correct answers is {found}.")
    return sentences
