"""Learned baselines: what an agent expects to earn, subtracted from what it earned."""

from torch import Tensor, nn


class Baseline(nn.Module):
    """One hidden layer from what an agent knows at an exchange to the reward it may expect.

    Parameters
    ----------
    input_size
        Width of the agent's view or state and of a message together.
    hidden_size
        Width of the hidden layer.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.first = nn.Linear(input_size, hidden_size)
        self.last = nn.Linear(hidden_size, 1)

    def forward(self, known: Tensor) -> Tensor:
        """Return the expected reward ``[...]`` from inputs ``[..., input_size]``, which get no gradient."""
        return self.last(self.first(known.detach()).relu()).squeeze(-1)  # type: ignore[no-any-return]
