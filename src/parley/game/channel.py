"""The channel: how an agent's logits become a message, and whether gradient flows back through it.

Each kind of channel is a class. Stop bits use `Bernoulli`, whatever the messages use.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from parley.core.errors import ParleyError


class Message(NamedTuple):
    """A message of d bits or real numbers, ``[..., d]``."""

    value: Tensor
    """The message."""
    probs: Tensor
    """Probability that each bit is 1; on a continuous channel the message itself."""


class Channel(ABC):
    """A mapping from logits to messages."""

    uses_reinforce = False
    """Whether messages are trained by REINFORCE."""
    differentiable = False
    """Whether gradient flows from the message back to its logits."""
    discrete = True
    """In evaluation: whether messages are bits, which can be stored as integers, flipped and counted."""
    has_entropy = True
    """In training: whether messages have a distribution, so that the entropy bonus and REINFORCE apply."""

    @abstractmethod
    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Return the message for logits, given uniform noise of the same shape; without noise, bits are rounded."""


def sample_bits(probs: Tensor, noise: Tensor | None) -> Tensor:
    """Return 1 where the noise is below the probability or, without noise, where the probability rounds to 1."""
    return probs.round() if noise is None else (noise < probs).to(probs.dtype)


class Bernoulli(Channel):
    """Sampled bits without gradient, trained by REINFORCE (Williams 1992)."""

    uses_reinforce = True

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Sample or round the bits."""
        probs = logits.sigmoid()
        return Message(sample_bits(probs, noise), probs)


class StraightThrough(Channel):
    """The same bits, with the gradient of their probabilities (Bengio, Léonard and Courville 2013)."""

    differentiable = True

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Sample or round the bits, with the gradient of their probabilities."""
        probs = logits.sigmoid()
        return Message(sample_bits(probs, noise).detach() + (probs - probs.detach()), probs)


class Gumbel(Channel):
    """The same bits, with the gradient of the binary concrete variable (Maddison, Mnih and Teh 2017; Jang et al. 2017).

    Parameters
    ----------
    temperature
        Temperature of the relaxed bit whose gradient is used. A lower one has less bias and more variance.
    """

    differentiable = True

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Sample or round the bits, with the gradient of the relaxed bits."""
        probs = logits.sigmoid()
        # A bit is 1 where u < p, equivalently logit(p) − logit(u) > 0, so the relaxed bit rounds to the sampled one.
        offset = 0.0 if noise is None else noise.to(logits.dtype).logit()
        relaxed = ((logits - offset) / self.temperature).sigmoid()
        return Message(sample_bits(probs, noise).detach() + (relaxed - relaxed.detach()), probs)


class Continuous(Channel):
    """The logits themselves are the message, with gradient."""

    differentiable = True
    discrete = False
    has_entropy = False

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Return the logits."""
        return Message(logits, logits)


class ContinuousOriginal(Continuous):
    """The logits without gradient, as in the 2017 code: the Sender and the stop bit are never trained."""

    differentiable = False


CHANNELS = {
    "bernoulli": Bernoulli,
    "straight_through": StraightThrough,
    "gumbel": Gumbel,
    "continuous": Continuous,
    "continuous_original": ContinuousOriginal,
}


def make_channel(name: str, temperature: float = 1.0) -> Channel:
    """Return the channel of that name; an unknown name raises `ParleyError`."""
    if name not in CHANNELS:
        raise ParleyError(f"game.channel: {name!r} is not one of {', '.join(CHANNELS)}.")
    return Gumbel(temperature) if name == "gumbel" else CHANNELS[name]()
