"""The Sender: sees one image, answers the Receiver's last message, remembers nothing."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from parley.game.attention import AdditiveAttention, Glance, attend
from parley.game.layers import Linear, initialise
from parley.game.settings import GameSettings
from parley.game.turns import Layout, pick
from parley.game.types import Images


class Seen(NamedTuple):
    """The part of looking at an image that does not depend on the conversation."""

    features: Tensor
    """``[S, B, hidden]`` the projected image, or ``[S, B, L, C]`` its cells."""
    keys: Tensor | None = None
    """``[S, B, L, attention_hidden]``: projected cells with the context added."""

    def of_rows(self, rows: Tensor) -> "Seen":
        """Return what was seen of the given rows ``[S, M]``."""
        return Seen(pick(self.features, rows), None if self.keys is None else pick(self.keys, rows))


class Look(NamedTuple):
    """What a Sender made of its images at an exchange."""

    view: Tensor
    """``[S, M, hidden]``."""
    weights: Tensor | None = None
    """``[S, M, L]``: how much each cell weighed; only with visual attention."""
    glance: Glance | None = None
    """What learning needs of the attention."""


class PooledEye(nn.Module):
    """Looks at one vector an image: h_x = W_x·x + b."""

    steady = True
    """Whether the view is the same at every exchange."""

    def __init__(self, seeds: int, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.project = Linear(seeds, feature_size, hidden_size)

    def prepare(self, images: Images) -> Seen:
        """Project the images ``[S, B, C]`` once for the whole dialogue."""
        return Seen(self.project(images.features))

    def look(self, seen: Seen, incoming: Tensor | None) -> Look:
        """Return the view; at the opening there is nothing incoming."""
        return Look(seen.features)

    def look_again(self, seen: Seen, incoming: Tensor, looks: list[Look], layout: Layout) -> Tensor:
        """Return the views ``[S, N, hidden]`` of all turns, with gradient."""
        return layout.spread(seen.features)


class AttendingEye(nn.Module):
    """Looks at the cells of a feature map, guided by the incoming message and a context vector.

    At the opening there is no message yet, and every cell weighs the same.
    """

    steady = False

    def __init__(
        self, seeds: int, feature_size: int, context_size: int, message_bits: int, settings: GameSettings
    ) -> None:
        super().__init__()
        self.project = Linear(seeds, feature_size, settings.sender_hidden)
        sizes = [message_bits, context_size]
        self.attention = AdditiveAttention(seeds, feature_size, sizes, settings.sender_attention_hidden)

    def prepare(self, images: Images) -> Seen:
        """Project the cells ``[S, B, L, C]`` and the context once for the whole dialogue."""
        if images.context is None:
            raise ValueError("visual attention needs Images.context, the logits that help to choose cells")
        keys = self.attention.item(images.features) + self.attention.queries[1](images.context)[:, :, None]
        return Seen(images.features, keys)

    def look(self, seen: Seen, incoming: Tensor | None) -> Look:
        """Return the view, from the incoming messages ``[S, M, d]`` or at the opening from none."""
        if incoming is None or seen.keys is None:
            weights = seen.features.new_full(seen.features.shape[:3], 1.0 / seen.features.shape[2])
            return Look(self.project(seen.features.mean(2)), weights)
        glance = self.attention.glance(seen.keys, self.attention.queries[0](incoming))
        weights = attend(glance.energies)
        return Look(self.project(_weighed(weights, seen.features)), weights, glance)

    def look_again(self, seen: Seen, incoming: Tensor, looks: list[Look], layout: Layout) -> Tensor:
        """Return the views ``[S, N, hidden]`` of all turns, with gradient."""
        attended = seen.features.mean(2)
        glances = [look.glance for look in looks if look.glance is not None]
        if glances and seen.keys is not None:
            query = self.attention.queries[0](incoming)
            weights = attend(self.attention.again(seen.keys, query, glances, layout))
            # All exchanges about an image in one product: its cells are read once and not once an exchange.
            later = layout.by_turn(layout.by_dialogue(weights) @ seen.features)
            attended = torch.cat([attended, later], 1)
        return self.project(attended)  # type: ignore[no-any-return]


def _weighed(weights: Tensor, cells: Tensor) -> Tensor:
    """Return the weighted sum of cells, ``[S, M, C]`` from ``[S, M, L]`` and ``[S, M, L, C]``."""
    return torch.matmul(weights[..., None, :], cells)[..., 0, :]


def mix_sum(view: Tensor, heard: Tensor) -> Tensor:
    """Join by addition, the code's default."""
    return view + heard


def mix_prod(view: Tensor, heard: Tensor) -> Tensor:
    """Join by elementwise product."""
    return view * heard


def mix_mou(view: Tensor, heard: Tensor) -> Tensor:
    """Join as the paper describes: both, their difference and their product, side by side."""
    return torch.cat([view, heard, view - heard, view * heard], -1)


MIXES = {"sum": (mix_sum, 1), "prod": (mix_prod, 1), "mou": (mix_mou, 4)}
"""Each mix with the number of hidden widths that it gives."""


class Sender(nn.Module):
    """The agent that sees the image; S of them side by side, one a seed.

    Parameters
    ----------
    feature_size
        Channels C of the image's features.
    settings
        The game.
    context_size
        Width of the context vector; used with visual attention only.
    seeds
        Decide the initial weights, each its own.
    """

    def __init__(
        self, feature_size: int, settings: GameSettings, context_size: int = 1000, seeds: Sequence[int] = (0,)
    ) -> None:
        super().__init__()
        self.settings, count = settings, len(seeds)
        hidden, bits = settings.sender_hidden, settings.message_bits
        self.eye: PooledEye | AttendingEye = (
            AttendingEye(count, feature_size, context_size, bits, settings)
            if settings.visual_attention
            else PooledEye(count, feature_size, hidden)
        )
        self.hear = Linear(count, bits, hidden)
        self.mix, widths = MIXES[settings.mix]
        self.speak = Linear(count, widths * hidden, bits)
        self.opening_code = nn.Parameter(torch.empty(count, bits))
        # What is heard instead of the Receiver by one who ignores it; a sum or product can leave it out.
        deaf = settings.ignore_code and settings.mix == "mou"
        self.deaf_code = nn.Parameter(torch.empty(count, bits)) if deaf else None
        initialise(self, seeds, "sender")

    def open(self, view: Tensor) -> Tensor:
        """Return logits ``[S, B, d]`` of the first message, where σ(opening_code) stands for the Receiver's."""
        return self._answer(view, self.hear(self.opening_code.sigmoid()[:, None]))

    def answer(self, view: Tensor, incoming: Tensor) -> Tensor:
        """Return logits ``[S, M, d]`` of the answers to messages ``[S, M, d]``, from views ``[S, M, hidden]``."""
        heard = incoming if self.deaf_code is None else self.deaf_code.sigmoid()[:, None]
        return self._answer(view, self.hear(heard))

    def _answer(self, view: Tensor, heard: Tensor) -> Tensor:
        mixed = view if self.settings.ignore_code and self.deaf_code is None else self.mix(view, heard.expand_as(view))
        return self.speak(torch.tanh(mixed))  # type: ignore[no-any-return]
