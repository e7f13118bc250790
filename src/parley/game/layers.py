"""Layers batched over S seeds, so that one process trains several runs at once.

The first dimension of every parameter is S. Shapes: M is the number of dialogues
that take part in an exchange, N the number of turns; a turn is one exchange of one dialogue.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from parley.game.rng import generator
from parley.game.turns import PackedIndex


class Linear(nn.Module):
    """S linear layers of the same shape.

    Parameters
    ----------
    seeds
        Number of seeds (S).
    inputs, outputs
        Widths of the input and of the output.
    bias
        Whether the layers have a bias.
    """

    def __init__(self, seeds: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(seeds, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(seeds, outputs)) if bias else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply each seed's layer to its inputs ``[S, ..., inputs]``; return ``[S, ..., outputs]``."""
        return linear(inputs, self.weight, self.bias)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply weights ``[S, outputs, inputs]`` and biases ``[S, outputs]`` to inputs ``[S, ..., inputs]``."""
    if not torch.is_grad_enabled():
        return _linear(inputs, weight, bias)
    outputs: Tensor = _Linear.apply(inputs, weight, bias, None)
    return outputs


def replay_linear(inputs: Tensor, weight: Tensor, bias: Tensor, outputs: Tensor) -> Tensor:
    """Return the outputs of `linear` that a rollout has stored, but with gradient."""
    found: Tensor = _Linear.apply(inputs, weight, bias, outputs)
    return found


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    rows = inputs.flatten(1, -2) if inputs.dim() != 3 else inputs
    found = torch.bmm(rows, weight.mT) if bias is None else torch.baddbmm(bias[:, None], rows, weight.mT)
    return found if inputs.dim() == 3 else found.view(*inputs.shape[:-1], weight.shape[1])


class _Linear(torch.autograd.Function):
    """Autograd function of `linear`. Stored outputs are returned as they are; None computes them.

    The gradient of the weights is contiguous. That of torch's own products would be transposed, and copied again.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, outputs: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return _linear(inputs, weight, bias) if outputs is None else outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, weight), grad = ctx.saved_tensors, grads[0].flatten(1, -2)
        of_inputs, of_weight, of_bias, _ = ctx.needs_input_grad
        return (
            torch.bmm(grad, weight).view(inputs.shape) if of_inputs else None,
            torch.bmm(grad.mT, inputs.flatten(1, -2)) if of_weight else None,
            grad.sum(1) if of_bias else None,
            None,
        )


@torch.no_grad()
def initialise(network: nn.Module, seeds: Sequence[int], purpose: str, rule: str = "xavier") -> None:
    """Draw the initial weights of a network. Those for a seed do not depend on which other seeds are given.

    Parameters
    ----------
    network
        The network, batched over S seeds.
    seeds, purpose
        Seeds, and a name that keeps the weights independent of other random numbers.
    rule
        ``xavier``: matrices by Xavier's normal rule, biases 0, and vectors named ``*code`` from N(0, 1).
        ``original``, for networks of linear layers: torch's default, weights and biases uniform within 1/√inputs of 0.
    """
    bound = 0.0
    for index, seed in enumerate(seeds):
        source = generator(seed, f"init {purpose}")
        for name, stacked in network.named_parameters():
            parameter = stacked[index]
            if rule == "original":
                # A layer's weight precedes its bias, whose range depends on the number of inputs, too.
                bound = parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else bound
                parameter.uniform_(-bound, bound, generator=source)
            elif name.endswith("code"):
                nn.init.normal_(parameter, generator=source)
            elif parameter.dim() > 1:
                nn.init.xavier_normal_(parameter, generator=source)
            else:
                nn.init.zeros_(parameter)


Values = TypeVar("Values", bound=tuple[Tensor, ...])


def concatenate(exchanges: Sequence[Values]) -> Values:
    """Concatenate the values of a rollout's exchanges, ``[S, M, ...]`` each, to those of all turns, ``[S, N, ...]``."""
    columns = (torch.cat(column, 1) for column in zip(*exchanges, strict=True))
    return type(exchanges[0])(*columns)


class TanhOutput(NamedTuple):
    """Logits ``[S, M, d]``, and the hidden layer ``[S, M, H]``, after the tanh, from which they are computed."""

    hidden: Tensor
    logits: Tensor


def tanh_output(inputs: Tensor, last: Linear) -> TanhOutput:
    """Apply tanh and the last layer to the inputs of a network's hidden layer, ``[S, M, H]``."""
    # On a CPU, 2σ(2x) − 1 takes 40 % of the time of tanh x.
    faster = not torch.is_grad_enabled() and not inputs.is_cuda
    hidden = (2 * inputs).sigmoid_().mul_(2).sub_(1) if faster else inputs.tanh()
    return TanhOutput(hidden, last(hidden))


def replay_tanh_output(inputs: Tensor, last: Linear, turns: TanhOutput) -> Tensor:
    """Return the logits of a rollout's turns, ``[S, N, d]``, as stored in `turns`, but with gradient.

    `inputs` are those of `tanh_output` in the same turns, ``[S, N, H]``; their values are not used.
    """
    logits: Tensor = _ReplayTanhOutput.apply(inputs, last.weight, last.bias, *turns)
    return logits


class _ReplayTanhOutput(torch.autograd.Function):
    """Autograd function of `replay_tanh_output`: forward returns stored logits, backward computes their gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, hidden: Tensor, logits: Tensor) -> Tensor:
        ctx.save_for_backward(weight, hidden)
        return logits

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, hidden = ctx.saved_tensors
        (grad,) = grads
        grad_inputs = torch.ops.aten.tanh_backward(torch.bmm(grad, weight), hidden)
        return grad_inputs, torch.bmm(grad.mT, hidden), grad.sum(1), None, None


class GRUStep(NamedTuple):
    """One GRU update: the states `before` and `after` it, ``[S, M, H]``, and intermediate values."""

    before: Tensor
    after: Tensor
    gates: Tensor
    """``[S, M, 2H]``: reset gate and update gate."""
    new: Tensor
    """``[S, M, H]``: the candidate state, tanh(W_in·message + b_in + reset · recurrent)."""
    recurrent: Tensor
    """``[S, M, H]``: contribution of the state `before` to the candidate state, W_hn·before + b_hn."""


class GRUCell(nn.Module):
    """S GRU cells. As in torch's GRUCell, the gates are in the order reset, update, new, and there are two biases.

    Parameters
    ----------
    seeds
        Number of seeds (S).
    inputs
        Width d of a message.
    hidden
        Width H of the state.
    """

    def __init__(self, seeds: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_ih = nn.Parameter(torch.empty(seeds, 3 * hidden, inputs))
        self.weight_hh = nn.Parameter(torch.empty(seeds, 3 * hidden, hidden))
        self.bias_ih = nn.Parameter(torch.empty(seeds, 3 * hidden))
        self.bias_hh = nn.Parameter(torch.empty(seeds, 3 * hidden))

    def forward(self, message: Tensor, state: Tensor) -> GRUStep:
        """Update the states ``[S, M, H]`` by the messages ``[S, M, d]``."""
        width = 2 * self.hidden
        from_message = linear(message, self.weight_ih, self.bias_ih)
        from_state = linear(state, self.weight_hh, self.bias_hh)
        gates = (from_message[..., :width] + from_state[..., :width]).sigmoid()
        reset, update = gates.chunk(2, -1)
        recurrent = from_state[..., width:]
        new = torch.addcmul(from_message[..., width:], reset, recurrent).tanh()
        return GRUStep(state, torch.lerp(new, state, update), gates, new, recurrent)

    def replay_with_grad(self, messages: Tensor, steps: list[GRUStep], packed: PackedIndex) -> GRUStep:
        """Return the values of all N turns, with gradient from the states after each turn to the weights.

        Parameters
        ----------
        messages
            Messages received in the turns, ``[S, N, d]``; no gradient is computed for them.
        steps
            Results of `forward`, one per exchange.
        packed
            Exchange and dialogue of each of the N turns.
        """
        turns = concatenate(steps)
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return turns._replace(after=_ReplayStates.apply(messages, *weights, turns, packed))


class _ReplayStates(torch.autograd.Function):
    """Autograd function of `replay_with_grad`: forward returns stored states, backward the gradient of the weights."""

    @staticmethod
    def forward(
        ctx: Any,
        messages: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        turns: GRUStep,
        packed: PackedIndex,
    ) -> Tensor:
        ctx.save_for_backward(messages, weight_hh)
        ctx.turns, ctx.packed = turns, packed
        return turns.after

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        messages, weight_hh = ctx.saved_tensors
        before, _, gates, new, recurrent = ctx.turns
        reset, update = gates.chunk(2, -1)
        # Derivatives of the state after each turn with respect to the inputs of the tanh and of the gates' sigmoids.
        to_new = (1 - update) * (1 - new * new)
        to_update = (before - new) * update * (1 - update)
        to_reset = to_new * recurrent * reset * (1 - reset)
        slopes = torch.stack([to_reset, to_update, to_new * reset], 2)
        grad_states = _through_time(grads[0], slopes, update, weight_hh, ctx.packed)
        grad_from_state = (slopes * grad_states[:, :, None]).flatten(2)
        width = 2 * new.shape[-1]
        grad_from_message = torch.cat([grad_from_state[..., :width], to_new * grad_states], -1)
        return (
            None,
            torch.bmm(grad_from_message.mT, messages),
            torch.bmm(grad_from_state.mT, before),
            grad_from_message.sum(1),
            grad_from_state.sum(1),
            None,
            None,
        )


def _through_time(grad: Tensor, slopes: Tensor, update: Tensor, weight_hh: Tensor, packed: PackedIndex) -> Tensor:
    """Add to `grad`, the gradient ``[S, N, H]`` of each turn's state, the gradient from the dialogue's later turns.

    `slopes`, ``[S, N, 3, H]``, are the derivatives of the states with respect to W_hh·state + b_hh.
    """
    total, end = grad.clone(), grad.shape[1]
    for exchange in range(len(packed.sizes) - 1, 0, -1):
        turns = slice(end - packed.sizes[exchange], end)
        own = total[:, turns]
        back = torch.baddbmm(own * update[:, turns], (slopes[:, turns] * own[:, :, None]).flatten(2), weight_hh)
        end = turns.start
        if packed.full:
            total[:, end - packed.batch : end] += back
        else:
            packed.add_at_previous(total, turns, back)
    return total
