"""How weights change by a gradient: RMSprop, Adam and plain gradient descent, with torch's defaults and to its bits.

Torch's own read a learning rate that changes from the CPU, or compute otherwise when it may not. Here all
that differs from step to step is a tensor, so that a step is the same whether a CUDA graph replays it or not.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from parley.core.errors import ParleyError

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
