"""From the numbers of the seeds to a verdict on a claim."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from parley.metrics.intervals import Interval, t_interval

LEVEL = 0.05
"""Below which a p-value decides."""
Verdict = Literal["agrees", "disagrees", "undecided"]


class Expectation(NamedTuple):
    """What a claim says of a number: that it lies above a bound, below it, or within it on either side of 0."""

    side: Literal["above", "below", "within"]
    bound: float = 0.0

    def __str__(self) -> str:
        return {"above": f"> {self.bound:g}", "below": f"< {self.bound:g}", "within": f"0 ± {self.bound:g}"}[self.side]


def judge(values: Sequence[float], expected: Expectation, p: float | None = None) -> tuple[Interval, Verdict]:
    """Return the 95 % t interval of the mean over seeds, and whether it lies where it is expected.

    A claim is agreed with where the whole interval lies where it should, disagreed with where none of it does, and
    undecided where it lies on both sides, or where fewer than two seeds have a number and there is no interval. That a
    number is within a margin of 0 is thereby shown, and not concluded from a difference that was not found (Schuirmann,
    1987, "A comparison of the two one-sided tests procedure"). Where there is a p of a null over cases, nothing is
    decided unless it is below 0.05 as well: an interval over seeds says nothing of the cases that they share.
    """
    over = t_interval(values)
    if over.low is None or over.high is None or (p is not None and p >= LEVEL):
        return over, "undecided"
    low, high = {
        "above": (expected.bound, float("inf")),
        "below": (-float("inf"), expected.bound),
        "within": (-expected.bound, expected.bound),
    }[expected.side]
    if low < over.low and over.high < high:
        return over, "agrees"
    return over, "disagrees" if over.high < low or high < over.low else "undecided"
