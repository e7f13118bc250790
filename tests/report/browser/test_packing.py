"""Arrays are the same after packing and unpacking, up to the documented rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_browsers import unpacked

from parley.report.browser.arrays import COARSE, FINE, NUMBER_STEPS, coarse, fine, pack, packed_bits, stepped

SHARES = arrays(np.float64, 7, elements=st.floats(0, 1))


def test_arrays_survive_a_round_trip_and_are_aligned():
    draw = np.random.default_rng(1)
    given_arrays = {
        "a": draw.integers(0, 256, 3).astype(np.uint8),
        "b": draw.integers(0, 9000, (2, 5)).astype(np.uint16),
        "c": draw.normal(size=(3, 1)).astype(np.float32),
        "d": draw.integers(0, 2**32, 4).astype(np.uint32),
        "e": draw.integers(-9, 9, 5).astype(np.int16),
        "none": np.zeros((0, 4), np.uint16),
    }
    layout, block = pack(given_arrays)
    found = unpacked(layout, block)
    assert set(found) == set(given_arrays)
    for name, array in given_arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    assert all(start % int(kind[1:]) == 0 for _, kind, _, start in layout)


@given(SHARES)
def test_probabilities_are_off_by_half_a_step_at_most(shares):
    assert np.abs(fine(shares) / FINE - shares).max() <= 0.5 / FINE + 1e-12
    assert np.abs(coarse(shares) / COARSE - shares).max() <= 0.5 / COARSE + 1e-12


@given(arrays(np.float64, 9, elements=st.floats(-1, 1)), st.floats(1e-6, 1e6))
def test_numbers_are_off_by_half_a_step_at_most(values, largest):
    step = largest / NUMBER_STEPS
    found = stepped(values * largest, largest).astype(float) * step
    assert np.abs(found - values * largest).max() <= 0.5001 * step


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 32])
def test_bits_lie_first_bit_highest(bits):
    messages = np.random.default_rng(bits).integers(0, 2, (3, 2, bits))
    packed = packed_bits(messages)
    assert packed.shape == (3, 2, -(-bits // 8))
    for bit in range(bits):
        assert np.array_equal(packed[..., bit // 8] >> (7 - bit % 8) & 1, messages[..., bit])
