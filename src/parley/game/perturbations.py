"""Perturbations: changes to a message between the agent that sends it and the agent that receives it.

The message as it is received is the one that is recorded, scored and learned from. Perturbations are lists, applied in
order; an unperturbed message has an empty list.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings


class Perturbation(ABC):
    """A change to messages ``[S, B, d]``."""

    @abstractmethod
    def apply(self, message: Tensor, noise: Tensor | None) -> Tensor:
        """Return the received message; `noise` is uniform and of the message's shape, None where not needed."""


class Flip(Perturbation):
    """Flip each bit with a given probability."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def apply(self, message: Tensor, noise: Tensor | None) -> Tensor:
        """Flip where the noise is below the probability."""
        if noise is None:
            raise ParleyError("Flipping bits at random needs random numbers: set Draws.flips.")
        return flipped(message, (noise < self.probability).to(message.dtype))


class Corrupt(Perturbation):
    """Flip the bits of a mask, always."""

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def apply(self, message: Tensor, noise: Tensor | None) -> Tensor:
        """Flip the bits of the mask."""
        return flipped(message, self.mask.to(message))


class Mute(Perturbation):
    """Replace the message by zeros."""

    def apply(self, message: Tensor, noise: Tensor | None) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(message)


class Shuffle(Perturbation):
    """Give each dialogue the message of its neighbour in the batch.

    Batches should not be ordered by class, or many dialogues get a message about their own class.
    """

    def apply(self, message: Tensor, noise: Tensor | None) -> Tensor:
        """Shift the batch by one."""
        return message.roll(1, -2)


class Replace(Perturbation):
    """Replace the message by a given one."""

    def __init__(self, message: Tensor) -> None:
        self.message = message

    def apply(self, message: Tensor, noise: Tensor | None) -> Tensor:
        """Return the given message, ``[B, d]`` for all seeds or ``[S, B, d]``."""
        return self.message.to(message).expand_as(message)


class ExtraPerturbations(NamedTuple):
    """Perturbations on top of those in the settings: one list per exchange, T lists each."""

    to_receiver: Sequence[Sequence[Perturbation]]
    """Perturbations of the Sender's messages."""
    to_sender: Sequence[Sequence[Perturbation]]
    """Perturbations of the Receiver's messages."""


def flipped(message: Tensor, mask: Tensor) -> Tensor:
    """Flip the bits where the mask is 1; this also flips the sign of their gradient."""
    return message + mask - 2 * mask * message


def chosen_bits(region: str, bits: int) -> Tensor:
    """Return the mask ``[bits]`` of a region such as ``0:3,5``: bits 0, 1, 2 and 5.

    Raises
    ------
    ParleyError
        If the region cannot be parsed, or names a bit outside the message.
    """
    mask = torch.zeros(bits)
    for piece in region.split(","):
        first, colon, end = piece.strip().partition(":")
        numbers = [first, end] if colon else [first, str(int(first) + 1) if first.isdecimal() else ""]
        if not all(number.isdecimal() for number in numbers) or not int(numbers[0]) < int(numbers[1]) <= bits:
            raise ParleyError(
                f"game.corrupt_bits: {piece.strip()!r} in {region!r} names no bits of a message of {bits}; write "
                "comma-separated numbers from 0 and ranges such as 0:3, which means 0, 1 and 2."
            )
        mask[int(numbers[0]) : int(numbers[1])] = 1
    return mask


def configured_perturbations(settings: GameSettings, training: bool) -> tuple[list[Perturbation], list[Perturbation]]:
    """Return the settings' perturbations of the Sender's messages and of the Receiver's."""
    to_receiver: list[Perturbation] = []
    to_sender: list[Perturbation] = []
    if training or settings.flip_in_evaluation:
        to_receiver += [Flip(settings.flip_sender)] if settings.flip_sender else []
        to_sender += [Flip(settings.flip_receiver)] if settings.flip_receiver else []
    to_receiver += [Mute()] if settings.ignore_sender else []
    to_sender += [Mute()] if settings.ignore_receiver else []
    if not training:
        if settings.corrupt_bits:
            to_receiver.append(Corrupt(chosen_bits(settings.corrupt_bits, settings.message_bits)))
        to_receiver += [Shuffle()] if settings.shuffle in ("sender", "both") else []
        to_sender += [Shuffle()] if settings.shuffle in ("receiver", "both") else []
    return to_receiver, to_sender


def perturb(message: Tensor, perturbations: Sequence[Perturbation], noise: Tensor | None) -> Tensor:
    """Apply perturbations in order."""
    for perturbation in perturbations:
        message = perturbation.apply(message, noise)
    return message


def needs_flip_noise(settings: GameSettings, training: bool) -> bool:
    """Return whether random numbers are needed for flips."""
    perturbations = configured_perturbations(settings, training)
    return any(isinstance(one, Flip) for direction in perturbations for one in direction)
