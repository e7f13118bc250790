"""The channel: what becomes of an agent's logits, and whether gradient crosses it.

Each way is a small class. Stop bits go by `Bernoulli` whatever the messages go by.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from parley.core.errors import ParleyError


class Message(NamedTuple):
    """A message of d bits or numbers, ``[..., d]``."""

    value: Tensor
    """What is said."""
    probs: Tensor
    """Probability of each bit to be 1; the value itself where messages are continuous."""


class Channel(ABC):
    """A way from logits to messages."""

    uses_reinforce = False
    """Whether REINFORCE credits what was said: it must where no gradient crosses."""
    differentiable = False
    """Whether the listener's gradient crosses to the speaker."""
    discrete = True
    """Whether messages are bits, which have an entropy."""

    @abstractmethod
    def say(self, logits: Tensor, drawn: Tensor | None) -> Message:
        """Return the message for logits; without drawn numbers (evaluation) bits are rounded."""


def decided(probs: Tensor, drawn: Tensor | None) -> Tensor:
    """Return 1 where the drawn number lies below the probability, or where the probability rounds to 1."""
    return probs.round() if drawn is None else (drawn < probs).to(probs.dtype)


class Bernoulli(Channel):
    """Bits drawn by their probability; no gradient crosses, REINFORCE does the learning (Williams 1992)."""

    uses_reinforce = True

    def say(self, logits: Tensor, drawn: Tensor | None) -> Message:
        """Draw or round the bits."""
        probs = logits.sigmoid()
        return Message(decided(probs, drawn), probs)


class StraightThrough(Channel):
    """The same bits, with the gradient of their probability (Bengio, Léonard and Courville 2013)."""

    differentiable = True

    def say(self, logits: Tensor, drawn: Tensor | None) -> Message:
        """Draw or round the bits, and let gradient through as if they were their probabilities."""
        probs = logits.sigmoid()
        return Message(decided(probs, drawn).detach() + (probs - probs.detach()), probs)


class Gumbel(Channel):
    """The same bits, with the gradient of the binary concrete variable (Maddison, Mnih and Teh 2017; Jang et al. 2017).

    Parameters
    ----------
    temperature
        Of the relaxed bit whose gradient is taken; towards 0 it is truer and noisier.
    """

    differentiable = True

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def say(self, logits: Tensor, drawn: Tensor | None) -> Message:
        """Draw or round the bits, and let gradient through as if they were relaxed."""
        probs = logits.sigmoid()
        # A bit is 1 where u < p, that is where logit(p) − logit(u) > 0: the relaxed bit rounds to the same.
        noise = 0.0 if drawn is None else drawn.to(logits.dtype).logit()
        relaxed = ((logits - noise) / self.temperature).sigmoid()
        return Message(decided(probs, drawn).detach() + (relaxed - relaxed.detach()), probs)


class Continuous(Channel):
    """The logits themselves are said, and gradient crosses."""

    differentiable = True
    discrete = False

    def say(self, logits: Tensor, drawn: Tensor | None) -> Message:
        """Say the logits."""
        return Message(logits, logits)


class ContinuousOriginal(Continuous):
    """The logits are said and no gradient crosses, as in the 2017 code: the Sender and the stop bit never learn."""

    differentiable = False


CHANNELS = {
    "bernoulli": Bernoulli,
    "straight_through": StraightThrough,
    "gumbel": Gumbel,
    "continuous": Continuous,
    "continuous_original": ContinuousOriginal,
}


def make_channel(name: str, temperature: float = 1.0) -> Channel:
    """Return the channel of a name; an unknown one raises `ParleyError`."""
    if name not in CHANNELS:
        raise ParleyError(f"game.channel: {name!r} is not one of {', '.join(CHANNELS)}.")
    return Gumbel(temperature) if name == "gumbel" else CHANNELS[name]()
