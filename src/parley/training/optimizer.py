"""Optimisers: one step over all networks of S runs, held in one flat tensor; RMSprop, Adam and SGD."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.game.settings import TrainingSettings

TINY = 1e-8
"""Added to what is divided by."""


class UpdateRule(ABC):
    """One way of changing weights ``[S, P]``.

    Parameters
    ----------
    weights
        The weights, for the shape of what is remembered.
    """

    def __init__(self, weights: Tensor) -> None:
        self.state = self._initial_state(weights)
        """What is remembered, by torch's names; tensors that stay where they are, ``step`` on the CPU."""

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        return {}

    def step_coefficients(self, rate: float) -> list[float]:
        """Count a step, and return what it needs besides the gradient, from the learning rate."""
        if "step" in self.state:
            self.state["step"] += 1
        return [-rate]

    @abstractmethod
    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Change the weights by their gradient.

        Parameters
        ----------
        weights, grad
            ``[S, P]``.
        coefficients
            What `step_coefficients` returned for the step, in the precision of the weights and where they lie.
        """


class SGD(UpdateRule):
    """θ − γg."""

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Change the weights."""
        weights.addcmul_(grad, coefficients[0])


class RMSprop(UpdateRule):
    """θ − γg/(√v + ε), v the running mean of g² (Tieleman and Hinton 2012)."""

    decay = 0.99

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        return {"step": torch.zeros(()), "square_avg": torch.zeros_like(weights)}

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Change the weights."""
        squares = self.state["square_avg"].mul_(self.decay).addcmul_(grad, grad, value=1 - self.decay)
        weights.addcdiv_(grad * coefficients[0], squares.sqrt().add_(TINY))


class Adam(UpdateRule):
    """θ − γ·m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε), m and v running means of g and g² (Kingma and Ba 2015)."""

    betas = (0.9, 0.999)

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        means = {name: torch.zeros_like(weights) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": torch.zeros(()), **means}

    def step_coefficients(self, rate: float) -> list[float]:
        """Count a step, and return −γ/(1 − β₁ᵗ) and √(1 − β₂ᵗ)."""
        super().step_coefficients(rate)
        steps = self.state["step"].item()
        first, second = (1 - beta**steps for beta in self.betas)
        return [-rate / first, second**0.5]

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Change the weights."""
        first, second = self.betas
        means = self.state["exp_avg"].lerp_(grad, 1 - first)
        squares = self.state["exp_avg_sq"].mul_(second).addcmul_(grad, grad, value=1 - second)
        weights.addcdiv_(means * coefficients[0], squares.sqrt().div_(coefficients[1]).add_(TINY))


UPDATE_RULES: dict[str, type[UpdateRule]] = {"RMSprop": RMSprop, "Adam": Adam, "SGD": SGD}
"""By the names of `training.optimizer`."""


def make_update_rule(name: str, weights: Tensor) -> UpdateRule:
    """Return the update of a name; an unknown one raises `ParleyError`."""
    if name not in UPDATE_RULES:
        raise ParleyError(f"training.optimizer: {name!r} is not one of {', '.join(UPDATE_RULES)}.")
    return UPDATE_RULES[name](weights)


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
