"""Channels, which turn an agent's logits into a message, and perturbations of messages.

Each channel is a class. Stop bits always use `Bernoulli`. A perturbation is a function that changes a message; a list
of perturbations is applied in order.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings, bit_ranges, chosen_options
from parley.plugins.registry import Option, Registry


class Message(NamedTuple):
    """A message of d bits or real numbers, ``[..., d]``."""

    value: Tensor
    """The message."""
    probs: Tensor
    """Probability that each bit is 1; on a continuous channel, the message itself."""


class Channel(ABC):
    """Base class of channels, which map logits to messages.

    Parameters
    ----------
    game
        Settings of the game.
    options
        Options of a channel that a plug-in registers.
    """

    uses_reinforce = False
    """Whether messages are trained by REINFORCE."""
    differentiable = False
    """Whether gradient flows from the message back to the logits."""
    samples_bits = True
    """Whether messages in training are bits; if false, they are real numbers."""
    discrete = True
    """Whether messages in evaluation are bits, which can be stored as integers, flipped and counted."""
    has_entropy = True
    """Whether messages in training are sampled from a distribution, which the entropy bonus and REINFORCE require."""

    def __init__(self, game: GameSettings, options: Mapping[str, Option] | None = None) -> None:
        self.game, self.options = game, options or {}

    @abstractmethod
    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Return the message; bits are sampled with uniform `noise` of the logits' shape, or rounded if it is None."""


def sample_bits(probs: Tensor, noise: Tensor | None) -> Tensor:
    """Return bits that are 1 where the noise is below the probability; if noise is None, the rounded probabilities."""
    return probs.round() if noise is None else (noise < probs).to(probs.dtype)


class Bernoulli(Channel):
    """Sampled bits without gradient, trained by REINFORCE (Williams 1992)."""

    uses_reinforce = True

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Sample or round the bits."""
        probs = logits.sigmoid()
        return Message(sample_bits(probs, noise), probs)


class StraightThrough(Channel):
    """Sampled bits with the gradient of their probabilities (Bengio, Léonard and Courville 2013)."""

    differentiable = True

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Sample or round the bits, with the gradient of their probabilities."""
        probs = logits.sigmoid()
        return Message(sample_bits(probs, noise).detach() + (probs - probs.detach()), probs)


class Gumbel(Channel):
    """Sampled bits with the gradient of binary concrete variables (Maddison, Mnih and Teh 2017; Jang et al. 2017).

    The gradient is that of relaxed bits with the temperature `game.temperature`. A lower temperature gives the
    gradient less bias and more variance.
    """

    differentiable = True

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Sample or round the bits, with the gradient of the relaxed bits."""
        probs = logits.sigmoid()
        # With noise u, a bit is 1 if u < p, that is, logit(p) − logit(u) > 0. The relaxed bit is then above 1/2.
        offset = 0.0 if noise is None else noise.to(logits.dtype).logit()
        relaxed = ((logits - offset) / self.game.temperature).sigmoid()
        return Message(sample_bits(probs, noise).detach() + (relaxed - relaxed.detach()), probs)


class Continuous(Channel):
    """Real-valued messages: the logits themselves, with gradient."""

    differentiable = True
    samples_bits = False
    discrete = False
    has_entropy = False

    def send(self, logits: Tensor, noise: Tensor | None) -> Message:
        """Return the logits."""
        return Message(logits, logits)


class ContinuousOriginal(Continuous):
    """Real-valued messages without gradient, as in the original implementation: the Sender is not trained."""

    differentiable = False


CHANNELS: Registry[type[Channel]] = Registry(
    "channel",
    "game.channel",
    {
        "bernoulli": Bernoulli,
        "straight_through": StraightThrough,
        "gumbel": Gumbel,
        "continuous": Continuous,
        "continuous_original": ContinuousOriginal,
    },
)


def make_channel(game: GameSettings) -> Channel:
    """Return the channel named in the settings; an unknown name raises `ParleyError`."""
    return CHANNELS[game.channel](game, chosen_options(CHANNELS, game.channel, game))


Send = Callable[[Tensor, Tensor | None], Message]
"""`Channel.send`."""


def checked_send(channel: Channel) -> Send:
    """Return the `send` of a channel; that of a plug-in raises `ParleyError` if its result is not as it must be."""
    name = channel.game.channel
    return channel.send if name in CHANNELS.own else partial(_checked, name, channel.send)


def _checked(name: str, send: Send, logits: Tensor, noise: Tensor | None) -> Message:
    sent: Any = send(logits, noise)
    where = f"game.channel: {name} returned"
    if not isinstance(sent, Message):
        raise ParleyError(f"{where} {type(sent).__name__}; return a Message(value, probs), of parley.game.")
    for field, found in sent._asdict().items():
        if not isinstance(found, Tensor) or found.shape != logits.shape or not found.is_floating_point():
            is_tensor = isinstance(found, Tensor)
            what = f"{found.dtype} of the shape {tuple(found.shape)}" if is_tensor else type(found).__name__
            raise ParleyError(
                f"{where} a Message whose {field} is {what}; it must be one number per logit, {logits.dtype} of the "
                f"shape {tuple(logits.shape)}."
            )
    return sent


Perturbation = Callable[[Tensor, Tensor | None], Tensor]
"""A function that changes a message ``[S, B, d]`` on its way from the sending to the receiving agent.

Its arguments are the message and uniform noise of the same shape, which is None if not needed. Recording, metrics and
learning use the changed message. `functools.partial` sets any further arguments of such a function.
"""


def flip(probability: float, message: Tensor, noise: Tensor | None) -> Tensor:
    """Flip each bit with the given probability: a bit is flipped if its noise is below the probability."""
    if noise is None:
        raise ParleyError("Flipping bits at random needs random numbers: set Draws.flips.")
    return corrupt(noise < probability, message, noise)


def corrupt(mask: Tensor, message: Tensor, noise: Tensor | None) -> Tensor:
    """Flip the bits where the mask is 1. For these bits, the sign of the gradient is reversed too."""
    mask = mask.to(message)
    return message + mask - 2 * mask * message


def mute(message: Tensor, noise: Tensor | None) -> Tensor:
    """Replace the message by zeros."""
    return torch.zeros_like(message)


def shuffle(message: Tensor, noise: Tensor | None) -> Tensor:
    """Replace each dialogue's message by that of the preceding dialogue in the batch; the first gets that of the last.

    The batch should not be ordered by class, because both dialogues would then often have the same class.
    """
    return message.roll(1, -2)


def replace(replacement: Tensor, message: Tensor, noise: Tensor | None) -> Tensor:
    """Replace the message by `replacement`, ``[S, B, d]``, or ``[B, d]`` for all seeds."""
    return replacement.to(message).expand_as(message)


class ExtraPerturbations(NamedTuple):
    """Perturbations applied after the configured ones. Each field contains one list of perturbations per exchange."""

    to_receiver: Sequence[Sequence[Perturbation]]
    """Perturbations of the Sender's messages."""
    to_sender: Sequence[Sequence[Perturbation]]
    """Perturbations of the Receiver's messages."""


def chosen_bits(region: str, bits: int) -> Tensor:
    """Return a mask ``[bits]``, 1 for the bits that `bit_ranges` returns."""
    mask = torch.zeros(bits)
    for chosen in bit_ranges(region, bits):
        mask[chosen.start : chosen.stop] = 1
    return mask


def configured_perturbations(settings: GameSettings, training: bool) -> tuple[list[Perturbation], list[Perturbation]]:
    """Return the configured perturbations of the Sender's messages, and those of the Receiver's messages."""
    flip_sender, flip_receiver = _flip_probabilities(settings, training)
    to_receiver: list[Perturbation] = [partial(flip, flip_sender)] if flip_sender else []
    to_sender: list[Perturbation] = [partial(flip, flip_receiver)] if flip_receiver else []
    to_receiver += [mute] if settings.ignore_sender else []
    to_sender += [mute] if settings.ignore_receiver else []
    if not training:
        if settings.corrupt_bits:
            to_receiver.append(partial(corrupt, chosen_bits(settings.corrupt_bits, settings.message_bits)))
        to_receiver += [shuffle] if settings.shuffle in ("sender", "both") else []
        to_sender += [shuffle] if settings.shuffle in ("receiver", "both") else []
    return to_receiver, to_sender


def perturb(message: Tensor, perturbations: Sequence[Perturbation], noise: Tensor | None) -> Tensor:
    """Apply the perturbations to the message in order."""
    for perturbation in perturbations:
        message = perturbation(message, noise)
    return message


def needs_flip_noise(settings: GameSettings, training: bool) -> bool:
    """Return whether bits are flipped at random in training or, if `training` is false, in evaluation."""
    return any(_flip_probabilities(settings, training))


def _flip_probabilities(settings: GameSettings, training: bool) -> tuple[float, float]:
    """Return the probability that a bit of the Sender's messages is flipped, and that of the Receiver's messages."""
    return (settings.flip_sender, settings.flip_receiver) if training or settings.flip_in_evaluation else (0.0, 0.0)
