"""What befalls a message between the one who says it and the one who hears it.

What is heard is what is kept, scored and learned from. Effects follow each other in a list; a message
that nothing befalls has an empty one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings


class Effect(ABC):
    """Something that befalls messages ``[S, B, d]``."""

    @abstractmethod
    def befall(self, message: Tensor, drawn: Tensor | None) -> Tensor:
        """Return what is heard; `drawn` are uniform numbers of the message's shape, where any are needed."""


class Flip(Effect):
    """Flips each bit with a probability."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def befall(self, message: Tensor, drawn: Tensor | None) -> Tensor:
        """Flip where the drawn number lies below the probability."""
        if drawn is None:
            raise ParleyError("Bits are to be flipped at random, but no numbers were drawn for it; give Draws.flips.")
        return flipped(message, (drawn < self.probability).to(message.dtype))


class Corrupt(Effect):
    """Flips chosen bits, always."""

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def befall(self, message: Tensor, drawn: Tensor | None) -> Tensor:
        """Flip the bits of the mask."""
        return flipped(message, self.mask.to(message))


class Mute(Effect):
    """Leaves nothing but zeros."""

    def befall(self, message: Tensor, drawn: Tensor | None) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(message)


class Shuffle(Effect):
    """Gives each dialogue the message of the next image of the batch.

    Images of a class should not stand side by side, or many would get a message that fits.
    """

    def befall(self, message: Tensor, drawn: Tensor | None) -> Tensor:
        """Move the batch on by one."""
        return message.roll(1, -2)


class Replace(Effect):
    """Puts a given message in place of what was said."""

    def __init__(self, message: Tensor) -> None:
        self.message = message

    def befall(self, message: Tensor, drawn: Tensor | None) -> Tensor:
        """Return the given message, ``[B, d]`` for all seeds or ``[S, B, d]``."""
        return self.message.to(message).expand_as(message)


class ExtraPerturbations(NamedTuple):
    """What befalls messages besides what the settings say: effects by exchange, T lists each."""

    to_receiver: Sequence[Sequence[Effect]]
    """Of the Sender's messages."""
    to_sender: Sequence[Sequence[Effect]]
    """Of the Receiver's."""


def flipped(message: Tensor, mask: Tensor) -> Tensor:
    """Flip the bits where the mask is 1; gradient, where any crosses, goes through with its sign turned."""
    return message + mask - 2 * mask * message


def chosen_bits(region: str, bits: int) -> Tensor:
    """Return a mask ``[bits]`` of a region such as ``0:3,5``: bits 0, 1, 2 and 5.

    Raises
    ------
    ParleyError
        When the region cannot be read, or names a bit that no message has.
    """
    mask = torch.zeros(bits)
    for piece in region.split(","):
        first, colon, end = piece.strip().partition(":")
        numbers = [first, end] if colon else [first, str(int(first) + 1) if first.isdecimal() else ""]
        if not all(number.isdecimal() for number in numbers) or not int(numbers[0]) < int(numbers[1]) <= bits:
            raise ParleyError(
                f"game.corrupt_bits: {piece.strip()!r} of {region!r} names no bits of a message of {bits}; write "
                "numbers from 0 and ranges such as 0:3, which is 0, 1 and 2, with commas between."
            )
        mask[int(numbers[0]) : int(numbers[1])] = 1
    return mask


def effects(settings: GameSettings, training: bool) -> tuple[list[Effect], list[Effect]]:
    """Return what befalls the Sender's messages and the Receiver's."""
    to_receiver: list[Effect] = []
    to_sender: list[Effect] = []
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


def heard(message: Tensor, line: Sequence[Effect], drawn: Tensor | None) -> Tensor:
    """Return what is heard of a message after all that befalls it."""
    for effect in line:
        message = effect.befall(message, drawn)
    return message


def needs_flip_noise(settings: GameSettings, training: bool) -> bool:
    """Return whether numbers must be drawn for flips."""
    return any(isinstance(effect, Flip) for line in effects(settings, training) for effect in line)
