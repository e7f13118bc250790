"""Interventions on the messages of a trained run: flip bits, or replace messages by those of another image.

Random choices are the same for every seed, and for every run with the same number of bits and exchanges.
Shapes: T exchanges, N images, d bits of a message.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from parley.game.channel import make_channel
from parley.game.perturbations import Corrupt, ExtraPerturbations, Replace
from parley.game.rng import uniforms
from parley.game.settings import GameSettings
from parley.game.types import Dialogue, DialogueSummary

Speaker = Literal["sender", "receiver"]


class MessageEdit(NamedTuple):
    """A change to the messages of one agent, image by image."""

    speaker: Speaker
    exchanges: Sequence[int]
    """Exchanges at which messages change, from 0."""
    effect: type[Corrupt] | type[Replace]
    values: Tensor
    """``[T, N, d]``: a mask of the bits to flip, or the messages to put in."""

    @property
    def is_noop(self) -> bool:
        """Whether every message stays the same, because no bit is flipped."""
        return self.effect is Corrupt and not self.values.any()

    def of_rows(self, rows: Tensor) -> ExtraPerturbations:
        """Return the perturbations for the images of the given rows."""
        steps = range(len(self.values))
        perturbed = [[self.effect(self.values[t, rows])] if t in self.exchanges else [] for t in steps]
        nothing: list[list[Corrupt | Replace]] = [[] for _ in steps]
        return (
            ExtraPerturbations(perturbed, nothing)
            if self.speaker == "sender"
            else ExtraPerturbations(nothing, perturbed)
        )


class Intervention(NamedTuple):
    """A condition under which a run is evaluated."""

    name: str
    value: int | None
    """Number of bits, index of the bit (from 0) or of the exchange (from 1); None if there is no such choice."""
    edit: MessageEdit | None
    """None for the baseline without a change."""


def interventions(
    game: GameSettings, undisturbed: Dialogue | DialogueSummary, targets: Tensor
) -> Iterator[Intervention]:
    """Yield every intervention that a game allows.

    Parameters
    ----------
    game
        The game. Only a discrete channel has bits to flip; with one exchange no Receiver message is answered.
    undisturbed
        The dialogues without an intervention, which supply the messages of other images.
    targets
        ``[N]``: the class of each image.
    """
    yield Intervention("none", None, None)
    if make_channel(game.channel).discrete:
        yield from _flips(game, len(targets))
    if len(targets) > 1:
        yield from _replacements(game, undisturbed, other_images(targets))


def _flips(game: GameSettings, images: int) -> Iterator[Intervention]:
    steps, bits = game.max_exchanges, game.message_bits
    everywhere, answered = range(steps), range(steps - 1)
    lots: dict[Speaker, Tensor] = {"sender": _lot("Sender", game, images), "receiver": _lot("Receiver", game, images)}

    def flips(speaker: Speaker, exchanges: Sequence[int], mask: Tensor) -> MessageEdit:
        return MessageEdit(speaker, exchanges, Corrupt, mask)

    for count in bit_counts(bits):
        yield Intervention("flipped_bits", count, flips("sender", everywhere, lots["sender"] < count))
    for t in everywhere:
        yield Intervention("flipped_exchange", t + 1, flips("sender", [t], lots["sender"] < (bits + 1) // 2))
    for bit in range(bits):
        mask = (torch.arange(bits) == bit).expand(steps, images, bits)
        yield Intervention("flipped_place", bit, flips("sender", everywhere, mask))
    for count in bit_counts(bits) if answered else []:
        yield Intervention("flipped_questions", count, flips("receiver", answered, lots["receiver"] < count))


def bit_counts(bits: int) -> list[int]:
    """Return the numbers of bits to flip: 0, the powers of two below d, and d."""
    return [0, *(2**power for power in range(bits.bit_length()) if 2**power < bits), bits]


def _lot(whose: str, game: GameSettings, images: int) -> Tensor:
    """Return a random ranking of the bits ``[T, N, d]`` per image and exchange; ranks below n are n random bits."""
    drawn = uniforms([0], f"flipped bits of the {whose}", 0, (game.max_exchanges, images, game.message_bits))[0]
    return drawn.argsort(dim=-1, stable=True).argsort(-1)


def _replacements(
    game: GameSettings, undisturbed: Dialogue | DialogueSummary, others: Tensor
) -> Iterator[Intervention]:
    questions, messages = undisturbed.receiver_bits[:, others], undisturbed.sender_bits[:, others]
    # The Receiver's last message is never read.
    everywhere, answered = range(game.max_exchanges), range(game.max_exchanges - 1)
    for t in answered:
        yield Intervention("other_question", t + 1, MessageEdit("receiver", [t], Replace, questions))
    for t in everywhere:
        yield Intervention("other_message", t + 1, MessageEdit("sender", [t], Replace, messages))
    if answered:
        yield Intervention("all_questions", None, MessageEdit("receiver", answered, Replace, questions))
    yield Intervention("all_messages", None, MessageEdit("sender", everywhere, Replace, messages))


def other_images(targets: Tensor) -> Tensor:
    """Return a random other image ``[N]`` for each: of another class, or of the same if there is only one class.

    Parameters
    ----------
    targets
        ``[N]`` class of each image; N is at least 2.
    """
    drawn = uniforms([0], "another image", 0, (len(targets),))[0].double()
    # An image is never drawn from its own group: its class, or only itself if there is a single class.
    groups = targets if len(targets.unique()) > 1 else torch.arange(len(targets))
    order, (_, group, sizes) = (
        groups.argsort(stable=True),
        torch.unique(groups, return_inverse=True, return_counts=True),
    )
    own, before = sizes[group], (sizes.cumsum(0) - sizes)[group]
    place = (drawn * (len(targets) - own)).long()
    found: Tensor = order[torch.where(place >= before, place + own, place)]
    return found
