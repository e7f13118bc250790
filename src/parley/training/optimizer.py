"""Changing the weights: all networks of S runs in one flat tensor, clipped seed by seed and network by network.

A step over thirty small tensors costs more in calls than in arithmetic; over one it does not.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.game.settings import TrainingSettings
from parley.training.update_rules import make_update_rule


class Optimiser:
    """One optimiser's step for each of several networks.

    From now on the networks' parameters are views of one tensor ``[S, P]``, which stays where it is.

    Parameters
    ----------
    networks
        By name; all of the same S seeds. One without parameters has nothing to change.
    training
        Kind, learning rate, clipping.
    """

    def __init__(self, networks: Mapping[str, nn.Module], training: TrainingSettings) -> None:
        self.training = training
        self.networks = [list(network.parameters()) for network in networks.values()]
        self.parameters = [parameter for own in self.networks for parameter in own]
        first = self.parameters[0]
        self.flat = first.new_empty(len(first), sum(parameter[0].numel() for parameter in self.parameters))
        start = 0
        for parameter in self.parameters:
            start += _lay(parameter, self.flat, start)
        self.rule = make_update_rule(training.optimizer, self.flat)
        self.schedule = _schedule(training)

    def step(self, loss: Tensor, step: int = 1) -> None:
        """Differentiate a loss, clip each seed's gradient of each network, and change the weights by it.

        Parameters
        ----------
        loss
            The sum over seeds and networks.
        step
            Of the training, from 1; decides the learning rate.
        """
        self.apply(loss, torch.tensor(self.step_coefficients(step), dtype=self.flat.dtype).to(self.flat.device))

    def step_coefficients(self, step: int) -> list[float]:
        """Count a step of the training, from 1, and return what `apply` needs to know of it."""
        return self.rule.step_coefficients(self.training.learning_rate * self.schedule(step))

    def apply(self, loss: Tensor, coefficients: Tensor) -> None:
        """Do what `step` does, given the `step_coefficients` in the dtype and on the device of the weights."""
        grads = iter(torch.autograd.grad(loss, self.parameters, allow_unused=True))
        with torch.no_grad():
            pieces = []
            for own in self.networks:
                found = [_wide(next(grads), parameter) for parameter in own]
                if found:
                    pieces.append(self._clipped(torch.cat(found, 1)))
            self.rule.apply(self.flat, torch.cat(pieces, 1), coefficients)

    def _clipped(self, grad: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(grad, dim=1, keepdim=True)
        return grad.mul_((self.training.gradient_clip / (norm + 1e-6)).clamp(max=1.0))

    def state_of(self, place: int) -> dict[str, Tensor]:
        """Return the optimiser's state of one of the S seeds."""
        state = self.rule.state.items()
        return {name: (value[place : place + 1] if value.dim() else value).clone() for name, value in state}

    def load(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over the states of all S seeds, as `state_of` returned them, wherever they lie."""
        for name, mine in self.rule.state.items():
            theirs = [state[name] for state in states]
            mine.copy_(torch.cat(theirs) if mine.dim() else theirs[0])


def _schedule(training: TrainingSettings) -> Callable[[int], float]:
    """Return the share of the learning rate at a step, counted from 1."""
    schedules: dict[str, Callable[[int], float]] = {
        "constant": lambda step: 1.0,
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * (step - 1) / training.steps)),
    }
    name = training.learning_rate_schedule
    if name not in schedules:
        raise ParleyError(f"training.learning_rate_schedule: {name!r} is not one of {', '.join(schedules)}.")
    return schedules[name]


def _lay(parameter: nn.Parameter, flat: Tensor, start: int) -> int:
    """Move a parameter ``[S, ...]`` into the flat tensor, and return how wide it is."""
    width, shape = parameter[0].numel(), parameter.shape
    place = flat[:, start : start + width]
    place.copy_(parameter.detach().flatten(1))
    parameter.data = place.unflatten(1, shape[1:])
    return width


def _wide(grad: Tensor | None, parameter: nn.Parameter) -> Tensor:
    """Return a gradient as ``[S, width]``; a parameter that the loss does not know has none, which is zero."""
    return (torch.zeros_like(parameter) if grad is None else grad).flatten(1)
