"""Schedules for the weights of the entropy bonus."""

from abc import ABC, abstractmethod

from parley.core.errors import ParleyError
from parley.game.losses import EntropyWeights
from parley.game.settings import TrainingSettings


class Schedule(ABC):
    """A factor on the configured weight for each step, counted from 1."""

    @abstractmethod
    def factor(self, step: int) -> float:
        """Return the factor at a step."""


class Constant(Schedule):
    """A constant weight, as in the 2017 code."""

    def factor(self, step: int) -> float:
        """Return 1."""
        return 1.0


class Linear(Schedule):
    """Linear interpolation from the full weight to a final factor, then constant.

    Parameters
    ----------
    final
        The final factor.
    steps
        Number of steps until it is reached.
    """

    def __init__(self, final: float, steps: int) -> None:
        self.final, self.steps = final, steps

    def factor(self, step: int) -> float:
        """Return the interpolated factor."""
        return 1.0 + (self.final - 1.0) * min(step / self.steps, 1.0)


def make_schedule(training: TrainingSettings) -> Schedule:
    """Return the configured schedule; an unknown name raises `ParleyError`."""
    if training.entropy_schedule == "constant":
        return Constant()
    if training.entropy_schedule == "linear":
        return Linear(training.entropy_final, training.entropy_steps or training.steps)
    raise ParleyError(f"training.entropy_schedule: {training.entropy_schedule!r} is not one of constant, linear.")


def entropy_weights_at(training: TrainingSettings, step: int) -> EntropyWeights:
    """Return the weights of the entropy bonus at a step, counted from 1."""
    factor = make_schedule(training).factor(step)
    return EntropyWeights(
        factor * training.sender_entropy, factor * training.receiver_entropy, factor * training.stop_entropy
    )
