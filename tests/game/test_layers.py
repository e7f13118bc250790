"""Layers with hand-written gradients equal plain formulas, in values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.game.agents import BaselineInput, Learned
from parley.game.layers import GRUCell, Linear, linear, replay_linear, replay_tanh_output, tanh_output
from parley.game.turns import PackedIndex, pick


def numbers(seed, *shape):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_()


def assert_same(one, other, inputs):
    """Compare two results and the gradients of a weighted sum of each."""
    torch.testing.assert_close(one, other)
    weights = numbers(9, *one.shape).detach()
    found, expected = (torch.autograd.grad((value * weights).sum(), inputs) for value in (one, other))
    for a, b in zip(found, expected, strict=True):
        assert a.is_contiguous()
        torch.testing.assert_close(a, b)


@settings(deadline=None)
@given(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=2), st.integers(1, 4), st.booleans())
def test_linear_equals_the_formula(seeds, rows, width, biased):
    inputs, weight = numbers(1, seeds, *rows, width), numbers(2, seeds, 5, width)
    bias = numbers(3, seeds, 5) if biased else None
    plain = torch.einsum("s...i,soi->s...o", inputs, weight)
    plain = plain if bias is None else plain + bias.view(seeds, *[1] * len(rows), 5)
    given_ = [inputs, weight, *([] if bias is None else [bias])]
    assert_same(linear(inputs, weight, bias), plain, given_)
    with torch.no_grad():
        torch.testing.assert_close(linear(inputs, weight, bias), plain)


def test_stored_outputs_of_a_linear_layer_get_its_gradient():
    inputs, weight, bias = numbers(1, 2, 3, 4, 5).detach(), numbers(2, 2, 6, 5), numbers(3, 2, 6)
    with torch.no_grad():
        outputs = linear(inputs, weight, bias)
    assert_same(replay_linear(inputs, weight, bias, outputs), linear(inputs, weight, bias), [weight, bias])


def test_stored_outputs_after_a_tanh_get_their_gradient():
    inputs, last = numbers(1, 2, 7, 4), Linear(2, 4, 3).double()
    with torch.no_grad():
        for number, parameter in enumerate(last.parameters()):
            parameter.copy_(numbers(5 + number, *parameter.shape))
        stored = tanh_output(inputs, last)
    plain = last(inputs.tanh())
    torch.testing.assert_close(stored.logits, plain)
    assert_same(replay_tanh_output(inputs, last, stored), plain, [inputs, last.weight, last.bias])


def test_a_gru_step_is_that_of_torch():
    cell, plain = GRUCell(1, 3, 4).double(), torch.nn.GRUCell(3, 4).double()
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            parameter.copy_(getattr(plain, name)[None])
    message, state = numbers(1, 1, 6, 3), numbers(2, 1, 6, 4)
    expected = plain(message[0], state[0])
    torch.testing.assert_close(cell(message, state).after[0], expected)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("per_dialogue", [0, 2])
def test_a_learned_baseline_is_a_network_with_one_hidden_layer(full, per_dialogue):
    batch = 3
    rows = torch.tensor([[0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 1, 2]] if full else [[0, 1, 2, 0, 2], [0, 1, 2, 1, 0]])
    packed = PackedIndex([batch, rows.shape[1] - batch], rows, None, None, None, full)
    baseline = Learned(per_dialogue, 4, 5, [1, 2], "baseline").double()
    turns = numbers(1, 2, rows.shape[1], 4).detach()
    dialogues = numbers(2, 2, batch, per_dialogue).detach() if per_dialogue else None
    found = baseline.predict(BaselineInput(turns, dialogues), None, packed)
    both = turns if dialogues is None else torch.cat([pick(dialogues, rows), turns], -1)
    weights = dict(baseline.named_parameters())
    hidden = torch.einsum("sni,soi->sno", both, weights["first.weight"]) + weights["first.bias"][:, None]
    plain = torch.einsum("sno,so->sn", hidden.relu(), weights["last.weight"][:, 0]) + weights["last.bias"]
    assert_same(found, plain, list(weights.values()))
