"""How the weights of the entropy bonus go with training."""

from abc import ABC, abstractmethod

from parley.core.errors import ParleyError
from parley.game.losses import EntropyWeights
from parley.game.settings import TrainingSettings


class Schedule(ABC):
    """A share of the full weight for each step, counted from 1."""

    @abstractmethod
    def share(self, step: int) -> float:
        """Return the share at a step."""


class Constant(Schedule):
    """The full weight throughout, as in the 2017 code."""

    def share(self, step: int) -> float:
        """Return 1."""
        return 1.0


class Linear(Schedule):
    """From the full weight in a straight line to a share of it, which then stays.

    Parameters
    ----------
    final
        The share in the end.
    steps
        After how many steps it is reached.
    """

    def __init__(self, final: float, steps: int) -> None:
        self.final, self.steps = final, steps

    def share(self, step: int) -> float:
        """Return the share on the line."""
        return 1.0 + (self.final - 1.0) * min(step / self.steps, 1.0)


def make_schedule(training: TrainingSettings) -> Schedule:
    """Return the schedule of the settings; an unknown one raises `ParleyError`."""
    if training.entropy_schedule == "constant":
        return Constant()
    if training.entropy_schedule == "linear":
        return Linear(training.entropy_final, training.entropy_steps or training.steps)
    raise ParleyError(f"training.entropy_schedule: {training.entropy_schedule!r} is not one of constant, linear.")


def entropy_weights_at(training: TrainingSettings, step: int) -> EntropyWeights:
    """Return the weights of the entropy bonus at a step, counted from 1."""
    share = make_schedule(training).share(step)
    return EntropyWeights(
        share * training.sender_entropy, share * training.receiver_entropy, share * training.stop_entropy
    )
