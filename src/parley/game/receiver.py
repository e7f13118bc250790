"""The Receiver, the agent that scores the candidates' descriptions, sends messages and decides when to stop.

A turn is one exchange of one dialogue; N is the number of turns of all dialogues in a batch.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parley.game.attention import AdditiveAttention, AttentionCache, attend
from parley.game.layers import GRUCell, Linear, TanhOutput, initialise, linear, replay_tanh_output, tanh_output
from parley.game.settings import GameSettings
from parley.game.turns import PackedIndex, pick
from parley.game.types import Descriptions

PAIRS_BLOCK = 1 << 19
"""Number of hidden activations that `PairScores` holds at once on a CPU: 2 MiB in float32, about one core's cache."""
PAIRS_BLOCK_ON_GPU = 1 << 27
"""Number of hidden activations that `PairScores` holds at once on a GPU, where larger blocks are faster."""


class PairScores(torch.autograd.Function):
    """Autograd function that scores every pair of a state and a description: w·relu(state + description) + b.

    To save memory, the hidden layer is computed block by block, and computed again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, descriptions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the scores ``[S, M, D]``.

        Parameters
        ----------
        states, descriptions
            ``[S, M, H]`` and ``[S, D, H]``: contributions of each to the pre-activation of the hidden layer.
        weight, bias
            Parameters of the output layer, ``[S, 1, H]`` and ``[S, 1]``.
        """
        ctx.save_for_backward(states, descriptions, weight)
        return _pair_scores(states, descriptions, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Return the gradient with respect to each argument of `forward`."""
        states, descriptions, weight = ctx.saved_tensors
        (grad,) = grads
        grad_states, grad_weight, grad_descriptions = torch.zeros_like(states), torch.zeros_like(weight), []
        for block in _description_blocks(states, descriptions):
            part = grad[..., block]
            hidden = _hidden(states, descriptions[:, block])
            grad_weight += torch.bmm(part.flatten(1)[:, None], hidden.flatten(1, 2))
            under = hidden.sign_().mul_(part[..., None])
            grad_states += under.sum(2)
            grad_descriptions.append(under.sum(1))
        return grad_states * weight, torch.cat(grad_descriptions, 1) * weight, grad_weight, grad.sum((1, 2))[:, None]


def pair_scores(states: Tensor, descriptions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the scores of `PairScores`, which takes longer to call, and is called only if gradient is enabled."""
    if not torch.is_grad_enabled():
        return _pair_scores(states, descriptions, weight, bias)
    scores: Tensor = PairScores.apply(states, descriptions, weight, bias)
    return scores


def _pair_scores(states: Tensor, descriptions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    blocks = _description_blocks(states, descriptions)
    scores = [linear(_hidden(states, descriptions[:, block]), weight, bias)[..., 0] for block in blocks]
    return scores[0] if len(scores) == 1 else torch.cat(scores, 2)


def _hidden(states: Tensor, descriptions: Tensor) -> Tensor:
    return (states[:, :, None] + descriptions[:, None]).relu_()


def _description_blocks(states: Tensor, descriptions: Tensor) -> Iterator[slice]:
    elements = PAIRS_BLOCK_ON_GPU if states.is_cuda else PAIRS_BLOCK
    size = max(elements // states.numel(), 1)
    for start in range(0, descriptions.shape[1], size):
        yield slice(start, start + size)


class EncodedCandidates(NamedTuple):
    """Encodings of the candidates' descriptions, computed once per rollout because all dialogues share them."""

    descriptions: Descriptions
    projected: Tensor
    """``[S, D, hidden]``, or ``[S, D·W, hidden]`` with description attention: contribution of each description, or of
    each word, to the first layer of the scores."""
    projected_for_messages: Tensor
    """``[S, D, hidden]``, or ``[S, D·W, hidden]``: their contribution to the hidden layer of the messages."""
    keys: Tensor | None = None
    """``[S, 1, D·W, attention_hidden]``: keys of the words; None without description attention."""


class AttendedCandidates(NamedTuple):
    """Attention to the descriptions' words in each of M states; fields are None without description attention."""

    weights: Tensor | None = None
    """``[S, M, D, W]``: attention weight of each word in its description."""
    cache: AttentionCache | None = None
    """Intermediate values of the attention, which a rollout stores for learning; otherwise None."""


class ReceiverTurn(NamedTuple):
    """What the Receivers of S seeds return in one exchange."""

    state: Any
    """The states ``before`` and ``after`` the message, ``[S, M, H]``: a `GRUStep` of Parley's own Receiver."""
    attended: AttendedCandidates
    scores: Tensor
    """``[S, M, D]``: scores of the candidates before the softmax."""
    probs: Tensor
    """``[S, M, D]``: softmax of the scores."""
    output: Any
    """The logits of the messages, in the field ``logits``, ``[S, M, d]``: a `TanhOutput` of Parley's own Receiver."""
    go_on_logits: Tensor
    """``[S, M]``: logits of continuing the dialogue."""


class Receiver(nn.Module):
    """The agent that reads the candidates' descriptions. One module contains S Receivers, one per seed.

    Parameters
    ----------
    word_size
        Width E of a word vector.
    settings
        Settings of the game.
    seeds
        Seeds of the initial weights, one per Receiver.
    """

    def __init__(self, word_size: int, settings: GameSettings, seeds: Sequence[int] = (0,)) -> None:
        super().__init__()
        hidden, bits, count = settings.receiver_hidden, settings.message_bits, len(seeds)
        self.settings, self.hidden_size = settings, hidden
        self.listen = GRUCell(count, bits, hidden)
        self.stop = Linear(count, hidden, 1)
        self.score_first = Linear(count, hidden + word_size, hidden)
        self.score_last = Linear(count, hidden, 1)
        self.ask_state = Linear(count, hidden, hidden)
        self.ask_reading = Linear(count, word_size, hidden, bias=False)
        self.ask = Linear(count, hidden, bits)
        self.attention = (
            AdditiveAttention(count, word_size, [hidden], settings.receiver_attention_hidden)
            if settings.description_attention
            else None
        )
        initialise(self, seeds, "receiver")

    def encode(self, descriptions: Descriptions) -> EncodedCandidates:
        """Project the descriptions or, with description attention, their words. This is called once per rollout."""
        seeds = self.stop.weight.shape[0]
        weight = self.score_first.weight[..., self.hidden_size :]
        if self.attention is None:
            vectors = descriptions.vectors.expand(seeds, -1, -1)
            return EncodedCandidates(descriptions, linear(vectors, weight), self.ask_reading(vectors))
        words = _words(descriptions).flatten(0, 1).expand(seeds, -1, -1)
        keys = self.attention.keys(words)[:, None]
        return EncodedCandidates(descriptions, linear(words, weight), self.ask_reading(words), keys)

    def respond(self, candidates: EncodedCandidates, message: Tensor, state: Tensor) -> ReceiverTurn:
        """Return the results of one exchange, given the Sender's messages ``[S, M, d]`` and states ``[S, M, H]``."""
        gru = self.listen(message, state)
        go_on_logits = self.go_on_logits(gru.after)
        attended = self.attend(candidates, gru.after)
        scores = self.score(candidates, attended, gru.after)
        probs = scores.softmax(-1)
        output = self.message(candidates, attended, probs, gru.after)
        return ReceiverTurn(gru, attended, scores, probs, output, go_on_logits)

    def go_on_logits(self, state: Tensor) -> Tensor:
        """Return the logits ``[S, M]`` of continuing the dialogue, given states ``[S, M, H]``."""
        return self.stop(state)[..., 0]  # type: ignore[no-any-return]

    def attend(self, candidates: EncodedCandidates, state: Tensor) -> AttendedCandidates:
        """Return the attention to the words of the descriptions, given states ``[S, M, H]``."""
        if self.attention is None or candidates.keys is None:
            return AttendedCandidates()
        cache = self.attention.compute_energies(candidates.keys, self.attention.queries[0](state))
        return AttendedCandidates(self._weights(candidates, cache.energies), cache)

    def replay_with_grad(
        self, candidates: EncodedCandidates, states: Tensor, attended: list[AttendedCandidates], packed: PackedIndex
    ) -> AttendedCandidates:
        """Return the attention to the words in all turns, with gradient, given the states ``[S, N, H]``."""
        if self.attention is None or candidates.keys is None:
            return AttendedCandidates()
        caches = [one.cache for one in attended if one.cache is not None]
        query = self.attention.queries[0](states)
        energies = self.attention.replay_with_grad(candidates.keys, query, caches, packed)
        return AttendedCandidates(self._weights(candidates, energies))

    def _weights(self, candidates: EncodedCandidates, energies: Tensor) -> Tensor:
        words = _words(candidates.descriptions)
        return attend(energies.unflatten(-1, words.shape[:2]), candidates.descriptions.is_word)

    def score(self, candidates: EncodedCandidates, attended: AttendedCandidates, state: Tensor) -> Tensor:
        """Return the descriptions' scores before the softmax, ``[S, M, D]``, given states ``[S, M, H]``.

        The first layer is applied to states and descriptions separately, and the results are added. This is equivalent
        to applying it to each state concatenated with each description, but needs no D copies of the state.
        """
        from_state = linear(state, self.score_first.weight[..., : self.hidden_size], self.score_first.bias)
        weight, bias = self.score_last.weight, self.score_last.bias
        assert bias is not None  # The layer has a bias.
        if attended.weights is None:
            return pair_scores(from_state, candidates.projected, weight, bias)
        words = candidates.projected.unflatten(1, attended.weights.shape[-2:])
        from_words = torch.einsum("smdw,sdwh->smdh", attended.weights, words)
        return linear(torch.relu(from_state[:, :, None] + from_words), weight, bias)[..., 0]

    def message(
        self, candidates: EncodedCandidates, attended: AttendedCandidates, probs: Tensor, state: Tensor
    ) -> TanhOutput:
        """Return message logits ``[S, M, d]``, given `probs` of the candidates ``[S, M, D]`` and states ``[S, M, H]``.

        The message depends on the mean description, weighted by `probs`, which get no gradient.
        """
        return tanh_output(self._message_inputs(candidates, attended, probs, state), self.ask)

    def replay_message(
        self,
        candidates: EncodedCandidates,
        attended: AttendedCandidates,
        probs: Tensor,
        state: Tensor,
        turns: TanhOutput,
    ) -> Tensor:
        """Return the message logits of some turns with gradient, given what `message` got and returned in them."""
        return replay_tanh_output(self._message_inputs(candidates, attended, probs, state), self.ask, turns)

    def _message_inputs(
        self, candidates: EncodedCandidates, attended: AttendedCandidates, probs: Tensor, state: Tensor
    ) -> Tensor:
        """Return the inputs of the messages' hidden layer, ``[S, M, H]``.

        Averaging the projected descriptions is equivalent to projecting their average, but takes fewer operations.
        """
        weights = probs.detach()
        if attended.weights is not None:
            weights = (weights[..., None] * attended.weights).flatten(-2)
        return torch.baddbmm(self.ask_state(state), weights, candidates.projected_for_messages)


def of_turns(attended: AttendedCandidates, positions: Tensor) -> AttendedCandidates:
    """Select the attention weights of the turns at the positions ``[S, K]``. The result has no cache."""
    return AttendedCandidates(None if attended.weights is None else pick(attended.weights, positions))


def _words(descriptions: Descriptions) -> Tensor:
    if descriptions.words is None:
        raise ValueError("description attention needs Descriptions.words and Descriptions.is_word: the word vectors")
    return descriptions.words
