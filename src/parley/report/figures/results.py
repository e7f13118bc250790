"""Read the results of one run over all its seeds, for its figures and for the report's sentences."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.metrics.pooling import Flips, PooledPart, pool, read_flips
from parley.metrics.records import Curve, owner_of, read_analysis, read_chosen_step, read_curve


class RunFiles(NamedTuple):
    """Paths of analysis.json, metrics.jsonl, selection.json and flips.json of all runs and seeds, in any order."""

    analyses: Sequence[str | Path]
    metrics_logs: Sequence[str | Path]
    selections: Sequence[str | Path]
    flips: Sequence[str | Path]


class RunResults(NamedTuple):
    """Results of one run over all its seeds."""

    curves: Sequence[Curve]
    """Dev metrics by training step, one curve for each seed that was evaluated during training."""
    chosen: Mapping[int, int]
    """Seed → training step of the selected checkpoint."""
    flips: Flips | None
    """Accuracy with flipped bits; None for continuous messages, or if every seed diverged."""
    test: PooledPart | None
    """Metrics of the test split, pooled over seeds; None if no seed has finite test results."""
    warnings: Sequence[str] = ()
    """Warnings found by the analyses, shown in the report."""
    annealed: bool = False
    """Whether the learning rate falls to 0 during training, so that longer training need not help."""


def read_results(run: str, files: RunFiles) -> RunResults:
    """Read the files of a run's seeds; ignore files of other runs."""

    def own(paths: Sequence[str | Path]) -> list[str | Path]:
        return [path for path in paths if owner_of(path)[0] == run]

    own_analyses = [read_analysis(path) for path in own(files.analyses)]
    return RunResults(
        curves=[curve for curve in map(read_curve, own(files.metrics_logs)) if curve.steps],
        chosen={owner_of(path)[1]: read_chosen_step(path) for path in own(files.selections)},
        flips=read_flips(files.flips, run),
        test=pool(own_analyses, run),
        warnings=[sentence for analysis in own_analyses for sentence in analysis["warnings"]],
    )
