"""Caveats about the results, in the summary of the page: seeds, splits, images, inputs and training."""

from collections.abc import Mapping, Sequence
from typing import Any

from parley.analysis.summary import SummaryRow
from parley.config.options import network_options
from parley.core.formats import counted, listed
from parley.features.options import CUSTOM
from parley.report.figures.results import RunResults
from parley.report.page import headline
from parley.report.page.findings import count_last_selected
from parley.report.page.funnel import Funnel
from parley.text.encoders import RANDOM, WORDS, parse_encoder

FEW_SEEDS = 5
"""Below this number of seeds, the summary warns of few seeds; below 3, every interval of the page is marked."""
UNCERTAIN = 0.05
"""The summary names the splits on which the choice of images makes accuracy uncertain by more than this fraction."""


def find_caveats(
    rows: Sequence[SummaryRow],
    failed: Sequence[tuple[str, int]],
    results: Mapping[str, RunResults],
    funnel: Funnel | None,
    config: Mapping[str, Any],
) -> list[str]:
    """Name the reasons for doubt: seeds, small splits, no verdict, near-duplicates, random inputs, short training.

    Parameters
    ----------
    rows, failed
        Rows of the summary; and the run and seed of each failed training.
    results
        Run → its results.
    funnel
        Counts of images; None if unknown.
    config
        The experiment's config.
    """
    accuracy = [row for row in rows if row.metric == "accuracy@1"]
    return [
        *_of_seeds(accuracy, failed),
        *_of_verdicts(accuracy),
        *_of_splits(accuracy),
        *_of_images(funnel),
        *_of_inputs(config),
        *_of_training(results),
    ]


def _of_seeds(rows: Sequence[SummaryRow], failed: Sequence[tuple[str, int]]) -> list[str]:
    sentences = []
    fewest = min((row.n_seeds for row in rows if row.n_seeds), default=0)
    if fewest == 1:
        sentences.append(
            "One seed: it is unknown how much the results of another seed would differ, so there is no interval."
        )
    elif fewest == 2:
        sentences.append("Two seeds: an interval from two values is hardly more than a guess; it is marked n = 2.")
    elif 0 < fewest < FEW_SEEDS:
        sentences.append(f"Few seeds: an interval from {fewest} values is wide, and itself uncertain.")
    if failed:
        sentences.append(f"Failed, and therefore excluded from all means: {counted(len(failed), 'seed')}.")
    return sentences


def _of_verdicts(rows: Sequence[SummaryRow]) -> list[str]:
    """Name the held-out splits on which the interval of a run includes chance."""
    held_out = [row for row in rows if row.part in headline.SPLITS]
    including = [row for row in held_out if headline.against_chance(row) == headline.NOT_DIFFERENT]
    if not including:
        return []
    if len({row.run for row in rows}) > 1:
        return [f"For {counted(len(including), 'result')}, the interval includes chance (see the table of results)."]
    return [f"The interval of accuracy includes chance on {listed([row.part for row in including])}."]


def _of_splits(rows: Sequence[SummaryRow]) -> list[str]:
    """Name the held-out splits so small that the choice of their images makes accuracy uncertain."""
    found: dict[str, tuple[int, float]] = {}
    for row in rows:
        if row.part in headline.SPLITS and row.images and row.mean is not None:
            # Agresti and Coull (1998): with two more right and two more wrong answers, 0 of 20 is uncertain, too.
            images = row.images + 4
            share = (row.mean * row.images + 2) / images
            half = 1.96 * (share * (1 - share) / images) ** 0.5
            found[row.part] = (row.images, max(half, found.get(row.part, (0, 0.0))[1]))
    small = [
        f"±{100 * half:.0f} percentage points on {part} ({images:,} images)"
        for part, (images, half) in found.items()
        if half > UNCERTAIN
    ]
    if not small:
        return []
    return [
        f"Small splits: from the choice of images alone, accuracy has a 95 % margin of error of {listed(small)}. "
        "The intervals over seeds do not reflect this, because all seeds are tested on the same images."
    ]


def _of_images(funnel: Funnel | None) -> list[str]:
    if funnel is None:
        return []
    sentences = (
        [f"Left out because of too few images: {counted(len(funnel.dropped), 'class')}."] if funnel.dropped else []
    )
    if not funnel.compared:
        sentences.append(
            "Near-duplicates were not searched for (fetch.near_copies: ignore): other splits may contain "
            "near-duplicates of training images."
        )
    elif funnel.pairs:
        sentences.append(
            f"Near-duplicate images in different splits (near_copies.tsv): {counted(funnel.pairs, 'pair')}."
        )
    return sentences


def _of_inputs(config: Mapping[str, Any]) -> list[str]:
    sentences = []
    if "features" in config and config.get("source", {}).get("kind") != "features":
        network = network_options(config["features"])
        if network.weights_kind == "random":
            sentences.append("The image features come from an untrained network.")
        elif network.weights_kind == "file" and network.rule != CUSTOM:
            sentences.append(
                f"The network's weights are from a file, but images are normalised as {network.name.library} does for "
                "its own weights (features.preprocessing)."
            )
    if words_are_random(config):
        sentences.append("The word vectors are random: descriptions are similar only if they share words.")
    if _encoder(config) != WORDS and parse_encoder(_encoder(config)).weights == RANDOM:
        sentences.append("The descriptions' vectors come from an untrained encoder.")
    return sentences


def words_are_random(config: Mapping[str, Any]) -> bool:
    """Return whether the words of the descriptions have random vectors."""
    return _encoder(config) == WORDS and bool(config.get("words", {}).get("source") == RANDOM)


def _encoder(config: Mapping[str, Any]) -> str:
    return str(config.get("descriptions", {}).get("encoder", WORDS))


def _of_training(results: Mapping[str, RunResults]) -> list[str]:
    compared = [run for run in results.values() if any(len(curve.steps) > 1 for curve in run.curves)]
    counts = [count_last_selected(run) for run in compared if not run.annealed]
    late, seeds = sum(late for late, _ in counts), sum(seeds for _, seeds in counts)
    if not late:
        return []
    best = f"For {late} of {counted(seeds, 'seed')}, the last checkpoint is the best on dev"
    return [f"{best}: longer training may help."]
