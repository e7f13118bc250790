"""The Sender: sees one image, answers the Receiver's last message, remembers nothing."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from parley.game.attention import AdditiveAttention
from parley.game.payloads import Images
from parley.game.settings import GameSettings


class Seen(NamedTuple):
    """The part of looking at an image that does not depend on the conversation."""

    features: Tensor
    """``[B, hidden]`` the projected image, or ``[B, L, C]`` its cells."""
    keys: Tensor | None = None
    """``[B, L, attention_hidden]``: projected cells with the context added."""


class PooledEye(nn.Module):
    """Looks at one vector an image: h_x = W_x·x + b."""

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.project = nn.Linear(feature_size, hidden_size)

    def prepare(self, images: Images) -> Seen:
        """Project the images ``[B, C]`` once for the whole dialogue."""
        return Seen(self.project(images.features))

    def look(self, seen: Seen, incoming: Tensor, opening: bool) -> Tensor:
        """Return the view ``[T, B, hidden]``, the same at each of the T exchanges."""
        return seen.features.expand(incoming.shape[0], -1, -1)


def _given(keys: Tensor | None) -> Tensor:
    # Seen.keys is None for the other eye only; this one has always prepared them.
    assert keys is not None
    return keys


class AttendingEye(nn.Module):
    """Looks at the cells of a feature map, guided by the incoming message and a context vector.

    At the opening there is no message yet, and every cell weighs the same.
    """

    def __init__(self, feature_size: int, context_size: int, message_bits: int, settings: GameSettings) -> None:
        super().__init__()
        self.project = nn.Linear(feature_size, settings.sender_hidden)
        self.attention = AdditiveAttention(feature_size, [message_bits, context_size], settings.sender_attention_hidden)

    def prepare(self, images: Images) -> Seen:
        """Project the cells ``[B, L, C]`` and the context once for the whole dialogue."""
        keys = self.attention.item(images.features) + self.attention.queries[1](images.context)[:, None]
        return Seen(images.features, keys)

    def look(self, seen: Seen, incoming: Tensor, opening: bool) -> Tensor:
        """Return the view ``[T, B, hidden]``; `opening` says that the first of the T is the dialogue's first."""
        weights = self.attention.weights(_given(seen.keys), self.attention.queries[0](incoming)[:, :, None])
        if opening:
            even = torch.full_like(weights[:1], 1.0 / weights.shape[-1])
            weights = torch.cat([even, weights[1:]])
        attended = torch.einsum("tbl,blc->tbc", weights, seen.features)
        projected: Tensor = self.project(attended)
        return projected


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
    """The agent that sees the image.

    Parameters
    ----------
    feature_size
        Channels C of the image's features.
    settings
        The game.
    context_size
        Width of the context vector; used with visual attention only.
    """

    def __init__(self, feature_size: int, settings: GameSettings, context_size: int = 1000) -> None:
        super().__init__()
        hidden, bits = settings.sender_hidden, settings.message_bits
        self.eye: PooledEye | AttendingEye = (
            AttendingEye(feature_size, context_size, bits, settings)
            if settings.visual_attention
            else PooledEye(feature_size, hidden)
        )
        self.hear = nn.Linear(bits, hidden)
        self.mix, widths = MIXES[settings.mix]
        self.speak = nn.Linear(widths * hidden, bits)
        self.code_bias = nn.Parameter(torch.empty(bits))

    def opening(self, batch_size: int) -> Tensor:
        """Return σ(code_bias) ``[B, d]``: what stands for the Receiver's message at the first exchange."""
        return self.code_bias.sigmoid().expand(batch_size, -1)

    def answer(self, seen: Seen, incoming: Tensor, opening: bool) -> tuple[Tensor, Tensor]:
        """Return views ``[T, B, hidden]`` and bit probabilities ``[T, B, d]`` for incoming messages ``[T, B, d]``."""
        view = self.eye.look(seen, incoming, opening)
        probs = self.speak(torch.tanh(self.mix(view, self.hear(incoming)))).sigmoid()
        return view, probs
