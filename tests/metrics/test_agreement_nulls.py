"""Nulls of agreement, against the metrics of permuted images, one permutation after the other."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.metrics.agreement import (
    cohen_kappa,
    correlation_null,
    draw_orders,
    geometry_correlation,
    geometry_null,
    message_geometry,
    pearson,
    same_fraction,
    sameness_nulls,
)

PERMUTATIONS = 7


def plainly(measure, of_seeds, orders):
    """The mean of a metric of permuted images over the pairs that have one."""
    means = []
    for order in orders:
        moved = [own[places] for own, places in zip(of_seeds, order, strict=True)]
        values = [measure(one, other) for one, other in combinations(moved, 2)]
        known = [value for value in values if value is not None]
        means.append(np.mean(known) if known else None)
    return None if None in means else np.array(means)


def close(found, expected):
    if expected is None:
        assert found is None
    else:
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 4), st.integers(3, 12), st.integers(1, 3), st.integers(0, 999))
def test_each_null_is_the_metric_under_permutations(seeds, images, most, lot):
    draw = np.random.default_rng(lot)
    answers = [draw.integers(0, most, images) for _ in range(seeds)]
    lengths = [draw.integers(1, most + 1, images) for _ in range(seeds)]
    messages = [draw.integers(0, 2, (images, most)) for _ in range(seeds)]
    orders = draw_orders(seeds, images, PERMUTATIONS, draw)
    same, kappa = sameness_nulls(answers, orders)
    close(same, plainly(same_fraction, answers, orders))
    close(kappa, plainly(cohen_kappa, answers, orders))
    close(correlation_null(lengths, orders), plainly(pearson, lengths, orders))
    geometries = [message_geometry(one) for one in messages]

    def likeness(one, other):
        return geometry_correlation(message_geometry(one), message_geometry(other))

    close(geometry_null(geometries, orders), plainly(likeness, messages, orders))


def test_images_of_every_seed_but_the_first_are_permuted_independently():
    orders = draw_orders(3, 50, 20, np.random.default_rng(0))
    assert len(orders) == 20
    for first, second, third in orders:
        assert (first == np.arange(50)).all()
        assert sorted(second) == sorted(third) == list(range(50))
        assert not (second == third).all()
    assert not (orders[0][1] == orders[1][1]).all()


def test_nulls_are_centred_on_chance():
    draw = np.random.default_rng(1)
    answers = [np.repeat([0, 1], [300, 100])] * 2
    same, kappa = sameness_nulls(answers, draw_orders(2, 400, 200, draw))
    # Both say 0 of three quarters: they agree by chance on 9 / 16 and 1 / 16.
    assert same.mean() == pytest.approx(10 / 16, abs=0.01)
    assert kappa.mean() == pytest.approx(0, abs=0.02)
    assert same.std() > 0.01
