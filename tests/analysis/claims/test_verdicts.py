"""From numbers to verdicts: by hand, and what must hold of any numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.analysis.claims import Expectation, judge

BELOW, ABOVE, FLAT = Expectation("below"), Expectation("above"), Expectation("within", 0.02)


@pytest.mark.parametrize(
    ("values", "expected", "verdict"),
    [
        ([-0.9, -0.8, -0.85], BELOW, "agrees"),
        ([-0.9, -0.8, -0.85], ABOVE, "disagrees"),
        ([-0.9, 0.8, -0.85], BELOW, "undecided"),
        ([0.010, 0.011, 0.012], FLAT, "agrees"),
        ([0.030, 0.031, 0.032], FLAT, "disagrees"),
        ([-0.030, -0.031, -0.032], FLAT, "disagrees"),
        ([0.0, 0.03, -0.03], FLAT, "undecided"),  # a difference not found is not a difference shown to be small
        ([0.95, 0.96, 0.97], Expectation("above", 0.9), "agrees"),
        ([0.5, 0.51, 0.52], Expectation("above", 0.9), "disagrees"),
        ([-5.0], BELOW, "undecided"),  # one seed has no interval
        ([], BELOW, "undecided"),
    ],
)
def test_verdicts_by_hand(values, expected, verdict):
    assert judge(values, expected)[1] == verdict


def test_the_interval_is_students():
    # Of 1, 2 and 3: mean 2, sd 1, and t of two degrees of freedom is 4.302653.
    over, _ = judge([1.0, 2.0, 3.0], ABOVE)
    assert (over.mean, over.n) == (2, 3)
    assert over.high - 2 == pytest.approx(4.302653 / 3**0.5, abs=1e-5)


@given(st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=8))
def test_opposite_claims_never_both_agree_and_signs_turn_verdicts(values):
    one, other = judge(values, BELOW)[1], judge(values, ABOVE)[1]
    opposite = {"agrees": "disagrees", "disagrees": "agrees", "undecided": "undecided"}
    over = judge(values, BELOW)[0]
    if 0 not in (over.low, over.high):
        assert other == opposite[one]
        assert judge([-value for value in values], BELOW)[1] == other


def test_a_null_over_cases_must_agree_too():
    values = [-0.9, -0.8, -0.85]
    assert judge(values, BELOW, p=0.049)[1] == "agrees"
    assert judge(values, BELOW, p=0.05)[1] == "undecided"
    assert judge(values, ABOVE, p=0.2)[1] == "undecided"
