"""The p-value of a permutation test, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.metrics.permutation import p_at_least


@pytest.mark.parametrize(("value", "p"), [(4, 1 / 5), (3, 2 / 5), (2, 4 / 5), (0.5, 1)])
def test_the_value_found_counts_among_the_permutations(value, p):
    assert p_at_least(value, np.array([1.0, 2, 2, 3]), 1e-9) == pytest.approx(p)


def test_values_that_differ_by_rounding_are_equal():
    assert p_at_least(0.3, np.array([0.1 + 0.2 - 1e-15, 0.2]), 1e-9) == pytest.approx(2 / 3)
    assert p_at_least(0.3, np.array([0.3 - 1e-15, 0.2]), 0) == pytest.approx(1 / 3)


@given(st.floats(-5, 5), st.lists(st.floats(-5, 5), max_size=20))
def test_p_is_never_zero_and_one_at_most(value, null):
    assert 1 / (len(null) + 1) <= p_at_least(value, np.array(null), 1e-9) <= 1
