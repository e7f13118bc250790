"""A linear classifier: multinomial logistic regression with a penalty on the squares of its weights.

Shapes: N images, C channels, K classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

GRADIENT = 1e-6
"""The fit has converged once no entry of the gradient is larger, in nats."""
ITERATIONS = 2000
HISTORY = 100
"""Steps from which the curvature is estimated. Channels are correlated; with few steps the fit takes twice as long."""
SCALE = 1e6
"""The loss is in millionths of a nat: torch ignores curvature pairs whose product of step and gradient change is below
1e-10, and would stop long before the minimum."""


class LinearClassifier(NamedTuple):
    """Weights and biases, in double precision."""

    weight: Tensor
    """``[K, C]``."""
    bias: Tensor
    """``[K]``."""

    def scores(self, features: Tensor) -> Tensor:
        """Return the scores ``[N, K]`` of images ``[N, C]``; their softmax is the prediction."""
        return features @ self.weight.T + self.bias


class Fitted(NamedTuple):
    """A classifier and the gradient at the end of its fit."""

    classifier: LinearClassifier
    largest_gradient: float
    """Largest entry of the gradient where the fit ended, in nats: 0 at the minimum."""


def fit(
    features: Tensor,
    targets: Tensor,
    classes: int,
    penalty: float,
    start: LinearClassifier | None = None,
    tolerance: float | None = None,
) -> Fitted:
    """Fit a classifier; deterministic for a fixed number of threads.

    The mean negative log-likelihood in nats plus ``penalty`` / 2 times the sum of squared weights is minimised (le
    Cessie and van Houwelingen, 1992, "Ridge estimators in logistic regression") by L-BFGS (Liu and Nocedal, 1989, "On
    the limited memory BFGS method for large scale optimization"). There is one minimum. Biases are not penalised.

    Parameters
    ----------
    features
        ``[N, C]``, float64.
    targets
        ``[N]`` int64: the class of each.
    classes
        K.
    penalty
        Above 0. scikit-learn's ``C`` is 1 / (N ``penalty``).
    start
        Initial values, by default zeros. They affect the time of the fit, not its result.
    tolerance
        Used instead of `GRADIENT`.
    """
    if start is None:
        start = LinearClassifier(features.new_zeros(classes, features.shape[1]), features.new_zeros(classes))
    found = LinearClassifier(*(values.clone().requires_grad_() for values in start))
    search = torch.optim.LBFGS(
        found,
        max_iter=ITERATIONS,
        max_eval=2 * ITERATIONS,
        tolerance_grad=SCALE * (GRADIENT if tolerance is None else tolerance),
        tolerance_change=0.0,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        search.zero_grad()
        nll = cross_entropy(found.scores(features), targets)
        value: Tensor = SCALE * (nll + penalty / 2 * found.weight.square().sum())
        value.backward()
        return value

    search.step(loss)
    loss()
    gradient = max(float(values.grad.abs().max()) for values in found if values.grad is not None)
    return Fitted(LinearClassifier(*(values.detach() for values in found)), gradient / SCALE)
