"""Base classes of Senders and Receivers of one's own, which a plug-in registers.

A subclass is a plain PyTorch module with the weights of one seed; Parley trains several seeds by stacking the weights.
Shapes: B images (one dialogue each) in a batch, D descriptions, d bits of a message, L cells of a feature map, W words
of the longest description. A message that an agent receives has no gradient, unless the channel is differentiable.

Agents must not draw random numbers, so they have no dropout: Parley puts them into evaluation mode.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images
from parley.plugins.registry import Option


class SenderOutput(NamedTuple):
    """What a Sender returns in one exchange."""

    logits: Tensor
    """``[B, d]``: logits of the message."""
    view: Tensor
    """``[B, view_size]``: what a learned baseline gets of the image, beside the received message; without gradient."""
    memory: Any = None
    """Anything that the Sender needs in the next exchange."""
    attention: Tensor | None = None
    """``[B, L]``: weights of the cells, if the Sender attends to them, for `keep_attention`."""


class ReceiverOutput(NamedTuple):
    """What a Receiver returns in one exchange."""

    logits: Tensor
    """``[B, d]``: logits of the message."""
    scores: Tensor
    """``[B, D]``: scores of the candidates before the softmax."""
    go_on: Tensor
    """``[B]``: logits of continuing the dialogue; without effect in Fixed games."""
    state: Tensor
    """``[B, state_size]``: the state after the received message."""
    attention: Tensor | None = None
    """``[B, D, W]``: weights of the words, if the Receiver attends to them, for `keep_attention`."""


class Agent(nn.Module):
    """What Senders and Receivers have in common."""

    def __init__(self, game: GameSettings, options: Mapping[str, Option]) -> None:
        super().__init__()
        self.game, self.options = game, options

    def forward(self, method: str, *arguments: Any) -> Any:
        """Call a method by its name: `torch.func.functional_call` can call only this method with given weights."""
        return getattr(self, method)(*arguments)


class BaseSender(Agent, ABC):
    """Base class of Senders, the agents that see the image.

    Parameters
    ----------
    game
        Settings of the game; `game.message_bits` is d.
    feature_size
        Number of channels of the image features.
    context_size
        Width of the context vector, the image classifier's logits.
    options
        Options of the plug-in.
    """

    view_size: int
    """Width of `SenderOutput.view`, which the constructor must set."""

    def __init__(self, game: GameSettings, feature_size: int, context_size: int, options: Mapping[str, Option]) -> None:
        super().__init__(game, options)
        self.feature_size, self.context_size = feature_size, context_size

    def encode(self, images: Images) -> Any:
        """Return what the exchanges need of the images, computed once per batch; by default, the images.

        Parameters
        ----------
        images
            Features ``[B, feature_size]``, or cells ``[B, L, feature_size]`` in games with Attention, where
            ``images.context`` is the context vector ``[B, context_size]``, or None.
        """
        return images

    @abstractmethod
    def respond(self, encoded: Any, received: Tensor | None, memory: Any) -> SenderOutput:
        """Return the message of one exchange.

        Parameters
        ----------
        encoded
            What `encode` returned.
        received
            ``[B, d]``: the Receiver's last messages; None in the first exchange.
        memory
            The memory that the last exchange returned; None in the first exchange.
        """


class BaseReceiver(Agent, ABC):
    """Base class of Receivers, the agents that read the descriptions and name the class.

    Parameters
    ----------
    game
        Settings of the game; `game.message_bits` is d.
    word_size
        Width E of a word vector.
    options
        Options of the plug-in.
    """

    state_size: int
    """Width of the state, which the constructor must set."""

    def __init__(self, game: GameSettings, word_size: int, options: Mapping[str, Option]) -> None:
        super().__init__(game, options)
        self.word_size = word_size

    def encode(self, descriptions: Descriptions) -> Any:
        """Return what the exchanges need of the descriptions, computed once per batch; by default, the descriptions.

        Parameters
        ----------
        descriptions
            ``descriptions.vectors`` ``[D, E]``: mean word vectors. With `game.description_attention`, also
            ``descriptions.words`` ``[D, W, E]`` and ``descriptions.is_word`` ``[D, W]``. The number of descriptions
            differs between training and evaluation.
        """
        return descriptions

    @abstractmethod
    def respond(self, encoded: Any, received: Tensor, state: Tensor) -> ReceiverOutput:
        """Return the scores, the message and the decision of one exchange.

        Parameters
        ----------
        encoded
            What `encode` returned.
        received
            ``[B, d]``: the Sender's messages.
        state
            ``[B, state_size]``: the state that the last exchange returned; zeros in the first exchange.
        """
