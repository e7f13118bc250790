"""Agents of one's own, batched over S seeds: the modules of `parley.game.base` with stacked weights.

The module is called once per seed with the seed's weights, and the results are stacked. Its parameters have the names
that its author gave them, after ``module.``, and a first dimension S, as those of Parley's own agents.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from parley.core.errors import ParleyError
from parley.game.base import Agent, BaseReceiver, BaseSender, ReceiverOutput, SenderOutput
from parley.game.receiver import AttendedCandidates, ReceiverTurn
from parley.game.rng import generator
from parley.game.sender import SenderTurn, View
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images

Weights = dict[str, Tensor]


class OwnLogits(NamedTuple):
    """Logits of messages, ``[S, B, d]``."""

    logits: Tensor


class OwnState(NamedTuple):
    """The Receiver's state before and after an exchange, ``[S, B, state_size]``."""

    before: Tensor
    after: Tensor


class OwnEncoded(NamedTuple):
    """What the modules of S seeds returned for a batch, and the weights with which they are called."""

    features: Tensor
    """``[S, B, ...]``, or the descriptions' vectors ``[D, E]``: the tensor that was encoded."""
    weights: list[Weights]
    of_seeds: list[Any]


class OwnAgent(nn.Module):
    """One module with the stacked weights of S seeds.

    Parameters
    ----------
    make
        Function that returns a module with random weights.
    seeds, purpose
        Seeds of the initial weights, and a name that keeps the weights independent of other random numbers.
    """

    def __init__(self, make: Callable[[], Agent], seeds: Sequence[int], purpose: str) -> None:
        super().__init__()
        modules = [_made(make, seed, purpose) for seed in seeds]
        self.seeds, self.module, self.name = len(seeds), modules[0], type(modules[0]).__name__
        _stack(self.module, modules)
        self.module.eval()

    def weights_of_seeds(self) -> list[Weights]:
        """Return the parameters and buffers of each seed."""
        named = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        # One `unbind` per rollout: indexing at every call would add up gradients of all seeds at every call.
        columns = {name: value.unbind(0) for name, value in named.items()}
        return [{name: values[seed] for name, values in columns.items()} for seed in range(self.seeds)]

    def encode_each(self, features: Tensor, inputs: Sequence[Any]) -> OwnEncoded:
        """Call `encode` with the input of each seed."""
        weights = self.weights_of_seeds()
        calls = zip(weights, inputs, strict=True)
        return OwnEncoded(features, weights, [functional_call(self.module, own, ("encode", one)) for own, one in calls])

    def respond_each(self, encoded: OwnEncoded, kind: type, *inputs: Sequence[Any]) -> list[Any]:
        """Call `respond` with the inputs of each seed, and check the type of the results."""
        found = [
            functional_call(self.module, own, ("respond", *one))
            for own, *one in zip(encoded.weights, encoded.of_seeds, *inputs, strict=True)
        ]
        if not all(isinstance(one, kind) for one in found):
            raise ParleyError(f"{self.name}.respond returned {type(found[0]).__name__}; return a {kind.__name__}.")
        return found

    def stacked(self, field: str, outputs: Sequence[Any], shape: tuple[int, ...]) -> Tensor:
        """Stack one field of the outputs of all seeds, ``[S, *shape]``; raise `ParleyError` if a shape is wrong."""
        values: list[Tensor] = [getattr(one, field) for one in outputs]
        for value in values:
            if not isinstance(value, Tensor) or value.shape != shape:
                found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise ParleyError(f"{self.name}.respond: {field} has the shape {found}, not {shape}.")
        return torch.stack(values)

    def attention(self, outputs: Sequence[Any]) -> Tensor | None:
        """Stack the attention weights of all seeds; None if there are none."""
        values = [one.attention for one in outputs]
        return None if any(value is None for value in values) else torch.stack(values)

    def declared_size(self, name: str) -> int:
        """Return a width that the module's constructor must set."""
        size = getattr(self.module, name, None)
        if not isinstance(size, int) or size < 0:
            raise ParleyError(f"{self.name}: set self.{name} in __init__ to a width; it is {size!r}.")
        return size


class OwnSenders(OwnAgent):
    """S Senders of a class of one's own."""

    is_static = False

    def __init__(
        self, make: Callable[[], BaseSender], settings: GameSettings, seeds: Sequence[int], purpose: str = "sender"
    ) -> None:
        super().__init__(make, seeds, purpose)
        self.settings, self.view_size = settings, self.declared_size("view_size")

    def encode(self, images: Images) -> OwnEncoded:
        """Encode each seed's images ``[S, B, ...]``."""
        context = images.context
        inputs = [Images(own, None if context is None else context[seed]) for seed, own in enumerate(images.features)]
        return self.encode_each(images.features, inputs)

    def add_keys(self, encoded: OwnEncoded) -> OwnEncoded:
        """Return the encodings as they are, as `PooledEncoder.add_keys` does."""
        return encoded

    def respond(self, encoded: OwnEncoded, received: Tensor | None, memory: list[Any] | None) -> SenderTurn:
        """Return the logits of the messages and the views of one exchange, given the messages ``[S, B, d]``."""
        nothing = [None] * self.seeds
        heard = nothing if received is None else received.unbind(0)
        outputs = self.respond_each(encoded, SenderOutput, heard, nothing if memory is None else memory)
        batch = encoded.features.shape[1]
        return SenderTurn(
            View(self.stacked("view", outputs, (batch, self.view_size)), self.attention(outputs)),
            OwnLogits(self.stacked("logits", outputs, (batch, self.settings.message_bits))),
            [one.memory for one in outputs],
        )


class OwnReceivers(OwnAgent):
    """S Receivers of a class of one's own."""

    def __init__(
        self, make: Callable[[], BaseReceiver], settings: GameSettings, seeds: Sequence[int], purpose: str = "receiver"
    ) -> None:
        super().__init__(make, seeds, purpose)
        self.settings, self.hidden_size = settings, self.declared_size("state_size")

    def encode(self, descriptions: Descriptions) -> OwnEncoded:
        """Encode the descriptions, which all seeds share."""
        return self.encode_each(descriptions.vectors, [descriptions] * self.seeds)

    def respond(self, candidates: OwnEncoded, message: Tensor, state: Tensor) -> ReceiverTurn:
        """Return the results of one exchange, given the messages ``[S, B, d]`` and states ``[S, B, state_size]``."""
        outputs = self.respond_each(candidates, ReceiverOutput, message.unbind(0), state.unbind(0))
        batch = message.shape[1]
        scores = self.stacked("scores", outputs, (batch, len(candidates.features)))
        return ReceiverTurn(
            OwnState(state, self.stacked("state", outputs, (batch, self.hidden_size))),
            AttendedCandidates(self.attention(outputs)),
            scores,
            scores.softmax(-1),
            OwnLogits(self.stacked("logits", outputs, (batch, self.settings.message_bits))),
            self.stacked("go_on", outputs, (batch,)),
        )


def _made(make: Callable[[], Agent], seed: int, purpose: str) -> Agent:
    """Return a module whose random weights depend only on the seed and the purpose."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator(seed, f"init {purpose}").get_state())
        return make()


@torch.no_grad()
def _stack(target: nn.Module, modules: Sequence[nn.Module]) -> None:
    """Replace the parameters and buffers of `target` by those of several modules, stacked along a first dimension."""
    done: dict[Tensor, nn.Parameter] = {}  # Shared parameters stay shared.
    for same in zip(*(list(module.modules()) for module in modules), strict=True):
        own = same[0]
        for name, value in list(own.named_parameters(recurse=False, remove_duplicate=False)):
            if value not in done:
                done[value] = nn.Parameter(torch.stack([getattr(one, name) for one in same]), value.requires_grad)
            setattr(own, name, done[value])
        for name, _ in list(own.named_buffers(recurse=False, remove_duplicate=False)):
            setattr(own, name, torch.stack([getattr(one, name) for one in same]))
