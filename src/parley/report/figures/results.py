"""The results of one run that its figures, and the report's words about them, are made from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from parley.metrics.pooling import Flips, PooledPart
from parley.metrics.records import Curve


class RunResults(NamedTuple):
    """Results of one run over all its seeds."""

    curves: Sequence[Curve]
    """Dev metrics over training steps, one a seed."""
    chosen: Mapping[int, int]
    """Seed → training step of the selected checkpoint."""
    flips: Flips | None
    """Accuracy with flipped bits; None for continuous messages."""
    test: PooledPart | None
    """Metrics of the test split pooled over seeds; None where no seed has any."""
