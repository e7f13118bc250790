"""Optimisers RMSprop, Adam and SGD for S runs, whose weights are stored in one flat tensor ``[S, P]``.

All hyperparameters except the learning rate are PyTorch's defaults, and the results are bit-identical to PyTorch's.
PyTorch's own optimisers read a changing learning rate from the CPU, or compute differently on a GPU. Here, all numbers
that change between steps are in a tensor, so a CUDA graph can replay the update. Updating one flat tensor takes far
fewer calls than updating some thirty parameter tensors one by one.
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
"""Constant ε added to denominators for numerical stability."""


class UpdateRule(ABC):
    """Base class of the rules that update weights ``[S, P]`` from their gradient.

    The subclasses' formulas use θ for the weights, g for the gradient, γ for the learning rate, ε for `EPSILON` and t
    for the step.
    """

    def __init__(self, weights: Tensor) -> None:
        self.state = self._initial_state(weights)
        """The optimiser's state, with PyTorch's names: ``step`` on the CPU; other tensors on the weights' device."""

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        return {}

    def step_coefficients(self, rate: float) -> list[float]:
        """Increment the step count, and return the coefficients of that step's update at a learning rate `rate`."""
        if "step" in self.state:
            self.state["step"] += 1
        return [-rate]

    @abstractmethod
    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Update the weights ``[S, P]`` in place from their gradient ``[S, P]``.

        `coefficients` are the values returned by `step_coefficients`, in the dtype and on the device of the weights.
        """


class SGD(UpdateRule):
    """Plain stochastic gradient descent: θ ← θ − γg."""

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Update the weights."""
        weights.addcmul_(grad, coefficients[0])


class RMSprop(UpdateRule):
    """RMSprop (Tieleman and Hinton 2012): θ ← θ − γg/(√v + ε), where v is the running mean of g²."""

    decay = 0.99

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        return {"step": torch.zeros(()), "square_avg": torch.zeros_like(weights)}

    def apply(self, weights: Tensor, grad: Tensor, coefficients: Tensor) -> None:
        """Update the weights."""
        squares = self.state["square_avg"].mul_(self.decay).addcmul_(grad, grad, value=1 - self.decay)
        weights.addcdiv_(grad * coefficients[0], squares.sqrt().add_(EPSILON))


class Adam(UpdateRule):
    """Adam (Kingma and Ba 2015): θ ← θ − γ·m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε).

    m and v are the running means of g and g², with the decay rates β₁ and β₂.
    """

    betas = (0.9, 0.999)

    def _initial_state(self, weights: Tensor) -> dict[str, Tensor]:
        means = {name: torch.zeros_like(weights) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": torch.zeros(()), **means}

    def step_coefficients(self, rate: float) -> list[float]:
        """Increment the step count, and return −γ/(1 − β₁ᵗ) and √(1 − β₂ᵗ)."""
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
"""Update rules by their names in the config key `training.optimizer`."""


def make_update_rule(name: str, weights: Tensor) -> UpdateRule:
    """Create the update rule with the given name; raise `ParleyError` if there is no such rule."""
    if name not in UPDATE_RULES:
        raise ParleyError(f"training.optimizer: {name!r} is not one of {', '.join(UPDATE_RULES)}.")
    return UPDATE_RULES[name](weights)


class Optimiser:
    """Optimiser of several networks, each with the weights of S seeds.

    The constructor replaces the networks' parameters by views of one flat tensor ``[S, P]``, whose address never
    changes. P is the total number of parameters of one seed.

    Parameters
    ----------
    networks
        Networks by name. Networks without parameters are allowed.
    training
        Settings of the optimiser, the learning rate and its schedule, and gradient clipping.
    """

    def __init__(self, networks: Mapping[str, nn.Module], training: TrainingSettings) -> None:
        self.training = training
        self.networks = [[one for one in network.parameters() if one.requires_grad] for network in networks.values()]
        self.parameters = [parameter for own in self.networks for parameter in own]
        first = self.parameters[0]
        widths = [parameter[0].numel() for parameter in self.parameters]
        self.flat = first.new_empty(len(first), sum(widths))
        for parameter, view in zip(self.parameters, self.flat.split(widths, 1), strict=True):
            view.copy_(parameter.detach().reshape(view.shape))
            parameter.data = view.view(parameter.shape)
        self.rule = make_update_rule(training.optimizer, self.flat)
        self.schedule = _schedule(training)

    def step_coefficients(self, step: int) -> list[float]:
        """Increment the step count, and return the coefficients that `step` needs at the given step, counted from 1."""
        return self.rule.step_coefficients(self.training.learning_rate * self.schedule(step))

    def backward(self, loss: Tensor) -> Tensor:
        """Compute the gradient of a scalar loss, the sum of the losses of all seeds and networks.

        Returns
        -------
        Tensor
            The gradient ``[S, P]``. The norm of each network's gradient is clipped separately for each seed.
        """
        grads = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        with torch.no_grad():
            # If the loss does not depend on a parameter, autograd returns None, which means a gradient of zero.
            found = zip(self.parameters, grads, strict=True)
            parts = [(torch.zeros_like(one) if grad is None else grad).reshape(len(one), -1) for one, grad in found]
            gradient = torch.cat(parts, 1)
            sizes = [sum(parameter[0].numel() for parameter in own) for own in self.networks]
            for own in gradient.split(sizes, 1):
                norm = torch.linalg.vector_norm(own, dim=1, keepdim=True)
                own.mul_((self.training.gradient_clip / (norm + 1e-6)).clamp(max=1.0))
            return gradient

    def step(self, gradient: Tensor, coefficients: Tensor) -> None:
        """Update the weights.

        Parameters
        ----------
        gradient
            Gradient ``[S, P]``, as returned by `backward`.
        coefficients
            Values returned by `step_coefficients`, in the dtype and on the device of the weights.
        """
        with torch.no_grad():
            self.rule.apply(self.flat, gradient, coefficients)

    def state_of(self, seed_index: int) -> dict[str, Tensor]:
        """Return a copy of the optimiser's state for one seed, given the seed's index."""
        state = self.rule.state.items()
        mine = slice(seed_index, seed_index + 1)
        return {name: (value[mine] if value.dim() else value).clone() for name, value in state}

    def load(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Load the states of all S seeds, as returned by `state_of`. The tensors may be on any device."""
        for name, value in self.rule.state.items():
            saved = [state[name] for state in states]
            value.copy_(torch.cat(saved) if value.dim() else saved[0])


def _schedule(training: TrainingSettings) -> Callable[[int], float]:
    """Return a function that maps the step, from 1, to the factor by which the learning rate is multiplied."""
    schedules: dict[str, Callable[[int], float]] = {
        "constant": lambda step: 1.0,
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * (step - 1) / training.steps)),
    }
    name = training.learning_rate_schedule
    if name not in schedules:
        raise ParleyError(f"training.learning_rate_schedule: {name!r} is not one of {', '.join(schedules)}.")
    return schedules[name]
