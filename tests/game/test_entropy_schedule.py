"""Schedules of the entropy bonus."""

import pytest

from parley.core.errors import ParleyError
from parley.game.losses import entropy_weights_at
from parley.game.settings import TrainingSettings

WEIGHTS = {"sender_entropy": 0.1, "receiver_entropy": 0.2, "stop_entropy": 0.4}


def test_constant_schedule():
    training = TrainingSettings(**WEIGHTS)
    assert entropy_weights_at(training, 1) == entropy_weights_at(training, 10**6) == pytest.approx((0.1, 0.2, 0.4))


def test_linear_schedule_interpolates_then_stays_constant():
    training = TrainingSettings(**WEIGHTS, entropy_schedule="linear", entropy_final=0.5, entropy_steps=10)
    assert entropy_weights_at(training, 5) == pytest.approx((0.075, 0.15, 0.3))
    assert entropy_weights_at(training, 10) == entropy_weights_at(training, 99) == pytest.approx((0.05, 0.1, 0.2))


def test_linear_schedule_takes_all_steps_by_default():
    training = TrainingSettings(**WEIGHTS, entropy_schedule="linear", steps=200)
    assert entropy_weights_at(training, 100) == pytest.approx((0.05, 0.1, 0.2))
    assert entropy_weights_at(training, 200) == pytest.approx((0, 0, 0))


def test_an_unknown_schedule_is_an_error():
    with pytest.raises(ParleyError, match="'steep' is not one of constant, linear"):
        entropy_weights_at(TrainingSettings(entropy_schedule="steep"), 1)
