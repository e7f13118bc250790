"""Optimisers: RMSprop, Adam and SGD, in one step over all networks of S runs in one flat tensor.

Updates have torch's defaults, and give the same bits. Torch's own optimisers read a changing learning rate from a CPU,
or compute in another way on a GPU; here, the numbers that change from step to step are a tensor, so a CUDA graph can
replay the update. One flat tensor instead of thirty small ones saves the cost of many calls.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.game.settings import TrainingSettings

EPSILON = 1e-8
"""Added to denominators."""


class UpdateRule(ABC):
    """The update of weights ``[S, P]`` by their gradient."""

    def __init__(self, weights: Tensor) -> None:
        self.state = self._initial_state(weights)
        """The optimiser's state by torch's names: static tensors on the device of the weights, ``step`` on the CPU."""

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        return {}

    def step_coefficients(self, rate: float) -> list[float]:
        """Advance the step count, and return the coefficients of this step's update for a learning rate."""
        if "step" in self.state:
            self.state["step"] += 1
        return [-rate]

    @abstractmethod
    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Update weights ``[S, P]`` in place by their gradient ``[S, P]``.

        `coefficients` are those of `step_coefficients`, in the dtype and on the device of the weights.
        """


class SGD(UpdateRule):
    """θ − γg."""

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Update the weights."""
        weights.addcmul_(grad, coefficients[0])


class RMSprop(UpdateRule):
    """θ − γg/(√v + ε), v the running mean of g² (Tieleman and Hinton 2012)."""

    decay = 0.99

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        return {"step": torch.zeros(()), "square_avg": torch.zeros_like(weights)}

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Update the weights."""
        squares = self.state["square_avg"].mul_(self.decay).addcmul_(grad, grad, value=1 - self.decay)
        weights.addcdiv_(grad * coefficients[0], squares.sqrt().add_(EPSILON))


class Adam(UpdateRule):
    """θ − γ·m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε), m and v running means of g and g² (Kingma and Ba 2015)."""

    betas = (0.9, 0.999)

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        means = {name: torch.zeros_like(weights) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": torch.zeros(()), **means}

    def step_coefficients(self, rate: float) -> list[float]:
        """Advance the step count, and return −γ/(1 − β₁ᵗ) and √(1 − β₂ᵗ)."""
        super().step_coefficients(rate)
        steps = self.state["step"].item()
        first, second = (1 - beta**steps for beta in self.betas)
        return [-rate / first, second**0.5]

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Update the weights."""
        first, second = self.betas
        means = self.state["exp_avg"].lerp_(grad, 1 - first)
        squares = self.state["exp_avg_sq"].mul_(second).addcmul_(grad, grad, value=1 - second)
        weights.addcdiv_(means * coefficients[0], squares.sqrt().div_(coefficients[1]).add_(EPSILON))


UPDATE_RULES: dict[str, type[UpdateRule]] = {"RMSprop": RMSprop, "Adam": Adam, "SGD": SGD}
"""Update rules by their names in `training.optimizer`."""


def make_update_rule(name: str, weights: Tensor) -> UpdateRule:
    """Return the update rule of a name; raise `ParleyError` if there is none."""
    if name not in UPDATE_RULES:
        raise ParleyError(f"training.optimizer: {name!r} is not one of {', '.join(UPDATE_RULES)}.")
    return UPDATE_RULES[name](weights)


class Optimiser:
    """An optimiser of several networks of the same S seeds.

    It makes the networks' parameters views of one tensor ``[S, P]``, whose address never changes.

    Parameters
    ----------
    networks
        Networks by name; a network may have no parameters.
    training
        Settings: optimiser, learning rate and its schedule, gradient clipping.
    """

    def __init__(self, networks: Mapping[str, nn.Module], training: TrainingSettings) -> None:
        self.training = training
        self.networks = [list(network.parameters()) for network in networks.values()]
        self.parameters = [parameter for own in self.networks for parameter in own]
        first = self.parameters[0]
        self.flat = first.new_empty(len(first), sum(parameter[0].numel() for parameter in self.parameters))
        widths = [parameter[0].numel() for parameter in self.parameters]
        for parameter, view in zip(self.parameters, self.flat.split(widths, 1), strict=True):
            view.copy_(parameter.detach().flatten(1))
            parameter.data = view.unflatten(1, parameter.shape[1:])
        self.rule = make_update_rule(training.optimizer, self.flat)
        self.schedule = _schedule(training)

    def step_coefficients(self, step: int) -> list[float]:
        """Advance the step count, and return the numbers that `step` needs for a training step, counted from 1."""
        return self.rule.step_coefficients(self.training.learning_rate * self.schedule(step))

    def backward(self, loss: Tensor) -> Tensor:
        """Differentiate a loss, summed over seeds and networks.

        Returns
        -------
        Tensor
            The gradient ``[S, P]``, clipped by norm for each seed of each network.
        """
        grads = iter(torch.autograd.grad(loss, self.parameters, allow_unused=True))
        clipped = []
        with torch.no_grad():
            for own in self.networks:
                found = [(next(grads), parameter) for parameter in own]
                # A parameter that the loss does not depend on has no gradient; zero has the same effect.
                flat = [(torch.zeros_like(one) if grad is None else grad).flatten(1) for grad, one in found]
                if flat:
                    clipped.append(self._clipped(torch.cat(flat, 1)))
            return torch.cat(clipped, 1)

    def step(self, gradient: Tensor, coefficients: Tensor) -> None:
        """Update the weights.

        Parameters
        ----------
        gradient
            ``[S, P]``, from `backward`.
        coefficients
            From `step_coefficients`, in the dtype and on the device of the weights.
        """
        with torch.no_grad():
            self.rule.apply(self.flat, gradient, coefficients)

    def _clipped(self, grad: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(grad, dim=1, keepdim=True)
        return grad.mul_((self.training.gradient_clip / (norm + 1e-6)).clamp(max=1.0))

    def state_of(self, seed_index: int) -> dict[str, Tensor]:
        """Return a copy of the state of one of the S seeds."""
        state = self.rule.state.items()
        mine = slice(seed_index, seed_index + 1)
        return {name: (value[mine] if value.dim() else value).clone() for name, value in state}

    def load(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Load the states of all S seeds, as returned by `state_of`, from any device."""
        for name, value in self.rule.state.items():
            saved = [state[name] for state in states]
            value.copy_(torch.cat(saved) if value.dim() else saved[0])


def _schedule(training: TrainingSettings) -> Callable[[int], float]:
    """Return a function from the step, counted from 1, to a factor of the learning rate."""
    schedules: dict[str, Callable[[int], float]] = {
        "constant": lambda step: 1.0,
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * (step - 1) / training.steps)),
    }
    name = training.learning_rate_schedule
    if name not in schedules:
        raise ParleyError(f"training.learning_rate_schedule: {name!r} is not one of {', '.join(schedules)}.")
    return schedules[name]
