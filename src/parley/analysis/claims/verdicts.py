"""The verdict on a claim from the values of its seeds."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from parley.metrics.statistics import Interval, t_interval

LEVEL = 0.05
"""A p-value below this decides."""
Verdict = Literal["agrees", "disagrees", "undecided"]


class Expectation(NamedTuple):
    """The expected range of a value: above a bound, below it, or within the bound on either side of 0."""

    side: Literal["above", "below", "within"]
    bound: float = 0.0

    def __str__(self) -> str:
        return {"above": f"> {self.bound:g}", "below": f"< {self.bound:g}", "within": f"0 ± {self.bound:g}"}[self.side]


def judge(values: Sequence[float], expected: Expectation, p: float | None = None) -> tuple[Interval, Verdict]:
    """Return the 95 % t interval of the mean over seeds, and the verdict.

    "agrees" if the whole interval is in the expected range, "disagrees" if none of it is, and "undecided" if it is
    partly in it, or if fewer than two seeds have a value and there is no interval. Equivalence to 0 is thus shown, not
    concluded from a missing difference (Schuirmann, 1987, "A comparison of the two one-sided tests procedure"). If a
    p-value of a null over cases is given, it must be below 0.05 as well, because an interval over seeds does not cover
    the variation of the cases that the seeds share.
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
