"""How numbers are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.formats import NOTHING, change, file_size, fraction, interval, listed, measure


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, NOTHING),
        (0, "0.000"),
        (1, "1.000"),
        (0.03125, "0.031"),
        (0.001, "0.001"),
        (0.00094, "0.00094"),
        (1 / 1001, "0.001"),
        (1 / 17473, "0.000057"),
        (-0.00012, "-0.00012"),
        (-2.8e-6, "-0.000"),
    ],
)
def test_of_a_fraction_two_digits_are_left_down_to_a_hundred_thousandth(value, written):
    assert fraction(value) == written


@given(st.floats(1e-5, 1))
def test_rounding_error_of_fractions(value):
    assert abs(float(fraction(value)) - value) <= (0.0005 if value >= 0.001 else value / 18) * (1 + 1e-9)


def test_a_correlation_that_is_noise_is_written_as_nothing():
    assert measure(0.000011, "Spearman's rho") == "0.000"
    assert measure(-0.00034, "bits") == "0.000"
    assert measure(0.000057, "fraction") == "0.000057"
    assert measure(None, "bits") == NOTHING


def test_an_interval_is_written_as_its_ends_are():
    assert interval(0.00004, 0.25) == "[0.000040, 0.250]"
    assert interval(1, 2.345, 2) == "[1.00, 2.35]"
    assert interval(None, 1.0) == ""


@given(st.floats(-1, 1))
def test_a_change_has_one_sign_and_is_otherwise_the_fraction(value):
    assert change(value).lstrip("+") == fraction(value)
    assert change(value)[0] in "+-"
    assert change(value)[1].isdigit()


def test_no_change_is_written_with_one_sign():
    assert change(0.0) == "+0.000"
    assert change(-0.0) == "-0.000"
    assert change(-0.00012) == "-0.00012"
    assert change(0.25) == "+0.250"


@pytest.mark.parametrize(
    ("size_bytes", "written"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (13e9, "13.0 GB"),
        (2e15, "2000.0 TB"),
    ],
)
def test_sizes_have_units_of_a_thousand(size_bytes, written):
    assert file_size(size_bytes) == written


@pytest.mark.parametrize(
    ("items", "most", "phrase"),
    [
        ("a", None, "a"),
        ("ab", None, "a and b"),
        ("abc", 3, "a, b and c"),
        ("abcde", 2, "a, b and 3 more"),
        ("abc", 1, "a and 2 more"),
    ],
)
def test_list_as_a_phrase(items, most, phrase):
    assert listed(tuple(items), most) == phrase
