"""The Sender, the agent that sees the image and replies to the Receiver's last message.

The Sender has no state between exchanges. A turn is one exchange of one dialogue.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parley.game.attention import AdditiveAttention, AttentionCache, attend
from parley.game.layers import Linear, TanhOutput, initialise, replay_tanh_output, tanh_output
from parley.game.settings import GameSettings
from parley.game.turns import PackedIndex, pick, pick_each
from parley.game.types import Images


class EncodedImages(NamedTuple):
    """Encodings of the images, which do not depend on the messages."""

    features: Tensor
    """``[S, B, hidden]``: projected images; with visual attention, the cells of the feature maps, ``[S, B, L, C]``."""
    mean: Tensor | None = None
    """``[S, B, C]``: mean of each image's cells; None without visual attention."""
    context: Tensor | None = None
    """``[S, B, attention_hidden]``: projected context vector; None without visual attention or context."""
    keys: Tensor | None = None
    """``[S, B, L, attention_hidden]``: keys of the cells; None before the second exchange, which first needs them."""

    def of_rows(self, rows: Tensor) -> "EncodedImages":
        """Return the encodings of the images in the given rows ``[S, M]``."""
        there = {name: part for name, part in self._asdict().items() if part is not None}
        return EncodedImages(**dict(zip(there, pick_each(list(there.values()), rows), strict=True)))


class View(NamedTuple):
    """The Sender's image representations (views) in one exchange."""

    vector: Tensor
    """``[S, M, hidden]``: one representation per dialogue."""
    weights: Tensor | None = None
    """``[S, M, L]``: attention weight of each cell; None without visual attention."""
    cache: AttentionCache | None = None
    """Intermediate values of the attention, for learning; None in the first exchange and without visual attention."""
    encoded: EncodedImages | None = None
    """The encodings that were attended to, of the exchange's M dialogues; None as for `cache`."""


class SenderTurn(NamedTuple):
    """What the Senders of S seeds return in one exchange."""

    view: View
    output: Any
    """The logits of the messages, in the field ``logits``, ``[S, M, d]``: a `TanhOutput` of Parley's own Sender."""
    memory: Any = None
    """What Senders of one's own need in the next exchange."""


class PooledEncoder(nn.Module):
    """Image encoder that projects the feature vector x of each image linearly: h_x = W_x·x + b."""

    is_static = True
    """Whether the image representation is the same in every exchange."""

    def __init__(self, seeds: int, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.project = Linear(seeds, feature_size, hidden_size)

    def encode(self, images: Images) -> EncodedImages:
        """Project the image features ``[S, B, C]``. This is called once per rollout."""
        return EncodedImages(self.project(images.features))

    def add_keys(self, encoded: EncodedImages) -> EncodedImages:
        """Return the encodings as they are: there is no attention."""
        return encoded

    def view(self, encoded: EncodedImages, received: Tensor | None) -> View:
        """Return the image representation, which does not depend on the received message."""
        return View(encoded.features)

    def replay_with_grad(
        self, encoded: EncodedImages, received: Tensor, views: list[View], packed: PackedIndex
    ) -> Tensor:
        """Return the image representations of all turns, ``[S, N, hidden]``, with gradient."""
        return packed.repeat_per_turn(encoded.features)


class AttentionEncoder(nn.Module):
    """Image encoder that attends to the cells of a feature map, given the received message and a context vector.

    With ``attention_context: false``, there is no context vector.
    In the first exchange, where no message has been received, all cells have the same weight.
    """

    is_static = False

    def __init__(
        self, seeds: int, feature_size: int, context_size: int, message_bits: int, settings: GameSettings
    ) -> None:
        super().__init__()
        self.project = Linear(seeds, feature_size, settings.sender_hidden)
        sizes = [message_bits, *([context_size] if settings.attention_context else [])]
        self.attention = AdditiveAttention(seeds, feature_size, sizes, settings.sender_attention_hidden)

    def encode(self, images: Images) -> EncodedImages:
        """Average the cells ``[S, B, L, C]`` and project the context vector. This is called once per rollout."""
        context = None
        if len(self.attention.queries) > 1:
            if images.context is None:
                raise ValueError("Images.context (the logits) is None; pass it, or set game.attention_context: false")
            context = self.attention.queries[1](images.context)
        return EncodedImages(images.features, images.features.mean(2), context)

    def add_keys(self, encoded: EncodedImages) -> EncodedImages:
        """Compute the keys of the cells. This is called before the second exchange, when many dialogues may be over."""
        return encoded._replace(keys=self.attention.keys(encoded.features))

    def view(self, encoded: EncodedImages, received: Tensor | None) -> View:
        """Return the image representations; `received` is the messages ``[S, M, d]``, or None in the first exchange."""
        if received is None:
            weights = encoded.features.new_full(encoded.features.shape[:3], 1.0 / encoded.features.shape[2])
            return View(self.project(encoded.mean), weights)
        assert encoded.keys is not None  # add_keys() sets them before the second exchange.
        cache = self.attention.compute_energies(encoded.keys, self._query(received, encoded.context))
        weights = attend(cache.energies)
        attended = torch.matmul(weights[..., None, :], encoded.features)[..., 0, :]
        return View(self.project(attended), weights, cache, encoded)

    def _query(self, received: Tensor, context: Tensor | None) -> Tensor:
        query: Tensor = self.attention.queries[0](received)
        return query if context is None else query + context

    def replay_with_grad(
        self, encoded: EncodedImages, received: Tensor, views: list[View], packed: PackedIndex
    ) -> Tensor:
        """Return the image representations of all turns, ``[S, N, hidden]``, with gradient."""
        # Dialogues that ended in the first exchange have no keys.
        attended_to = views[1].encoded if len(views) > 1 else None
        if attended_to is None or attended_to.keys is None:
            return self.project(encoded.mean)  # type: ignore[no-any-return]
        later = packed.after_first()
        context = None if encoded.context is None else pick(encoded.context, packed.rows[:, packed.batch :])
        keys = self.attention.replay_keys(attended_to.features, attended_to.keys)
        caches = [view.cache for view in views if view.cache is not None]
        energies = self.attention.replay_with_grad(keys, self._query(received, context), caches, later)
        # One matrix product per image covers all exchanges, so that the image's cells are read only once.
        attended = later.by_turn(later.by_dialogue(attend(energies)) @ attended_to.features)
        assert encoded.mean is not None  # encode() sets it.
        return self.project(torch.cat([encoded.mean, attended], 1))  # type: ignore[no-any-return]


def mix_mou(view: Tensor, message: Tensor) -> Tensor:
    """Concatenate image, message, their difference and their product, as in the article (Evtimova et al., 2018)."""
    return torch.cat([view, message, view - message, view * message], -1)


MIXES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "sum": (operator.add, 1),
    "prod": (operator.mul, 1),
    "mou": (mix_mou, 4),
}
"""For each value of `game.mix`: function of image and message, and width of its result relative to their width."""


class Sender(nn.Module):
    """The agent that sees the image. One module contains S Senders, one per seed.

    Parameters
    ----------
    feature_size
        Number of channels (C) of the image features.
    settings
        Settings of the game.
    context_size
        Width of the context vector (the image classifier's logits); ignored without visual attention or context.
    seeds
        Seeds of the initial weights, one per Sender.
    """

    def __init__(
        self, feature_size: int, settings: GameSettings, context_size: int = 1000, seeds: Sequence[int] = (0,)
    ) -> None:
        super().__init__()
        self.settings, self.view_size, count = settings, settings.sender_hidden, len(seeds)
        hidden, bits = settings.sender_hidden, settings.message_bits
        self.eye: PooledEncoder | AttentionEncoder = (
            AttentionEncoder(count, feature_size, context_size, bits, settings)
            if settings.visual_attention
            else PooledEncoder(count, feature_size, hidden)
        )
        self.hear = Linear(count, bits, hidden)
        self.mix, widths = MIXES[settings.mix]
        self.speak = Linear(count, widths * hidden, bits)
        self.opening_code = nn.Parameter(torch.empty(count, bits))
        # With ignore_code, the Sender ignores messages: `mou` uses the learned deaf_code, `sum` and `prod` use nothing.
        replaces_message = settings.ignore_code and settings.mix == "mou"
        self.deaf_code = nn.Parameter(torch.empty(count, bits)) if replaces_message else None
        initialise(self, seeds, "sender")

    @property
    def seeds(self) -> int:
        """The number of seeds, S."""
        return self.hear.weight.shape[0]

    @property
    def is_static(self) -> bool:
        """Whether the image representation is the same in every exchange."""
        return self.eye.is_static

    def encode(self, images: Images) -> EncodedImages:
        """Return the encodings of the images ``[S, B, ...]``, which do not depend on the messages."""
        return self.eye.encode(images)

    def add_keys(self, encoded: EncodedImages) -> EncodedImages:
        """Compute what only the exchanges after the first need."""
        return self.eye.add_keys(encoded)

    def respond(self, encoded: EncodedImages, received: Tensor | None, memory: None) -> SenderTurn:
        """Return image representations and logits of one exchange; `received` is None in the first."""
        view = self.eye.view(encoded, received)
        output = self.first_message(view.vector) if received is None else self.reply(view.vector, received)
        return SenderTurn(view, output)

    def first_message(self, view: Tensor) -> TanhOutput:
        """Return logits ``[S, B, d]`` of the first message, with σ(opening_code), learned, as the received message."""
        return tanh_output(self._mix_opening(view), self.speak)

    def reply(self, view: Tensor, received: Tensor) -> TanhOutput:
        """Return logits ``[S, M, d]`` of the replies, given image representations ``[S, M, hidden]`` and messages."""
        return tanh_output(self._mix_received(view, received), self.speak)

    def replay_with_grad(self, views: Tensor, received: Tensor, turns: TanhOutput) -> Tensor:
        """Return the logits of all turns, ``[S, N, d]``, with gradient.

        Parameters
        ----------
        views
            ``[S, N, hidden]``: image representations.
        received
            ``[S, N − B, d]``: messages received in the turns after the first exchange.
        turns
            Results of `first_message` and `reply`, concatenated.
        """
        first, later = views.split([views.shape[1] - received.shape[1], received.shape[1]], 1)
        mixed = torch.cat([self._mix_opening(first), self._mix_received(later, received)], 1)
        return replay_tanh_output(mixed, self.speak, turns)

    def _mix_opening(self, view: Tensor) -> Tensor:
        return self._mix(view, self.opening_code.sigmoid()[:, None])

    def _mix_received(self, view: Tensor, received: Tensor) -> Tensor:
        return self._mix(view, received if self.deaf_code is None else self.deaf_code.sigmoid()[:, None])

    def _mix(self, view: Tensor, message: Tensor) -> Tensor:
        """Mix image representations ``[S, M, hidden]`` with messages ``[S, M, d]``, or ``[S, 1, d]`` for all."""
        if self.settings.ignore_code and self.deaf_code is None:
            return view
        return self.mix(view, self.hear(message).expand_as(view))
