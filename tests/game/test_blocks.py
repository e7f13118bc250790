"""Blockwise computations equal the plain formula, in values and gradients, for any block size."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.game import attention, receiver
from parley.game.attention import AdditiveAttention, attend, row_blocks
from parley.game.receiver import PairScores
from parley.game.turns import PackedIndex, pick


def numbers(seed, *shape):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_()


def gradients(value, inputs, seed=9):
    weights = numbers(seed, *value.shape).detach()
    return torch.autograd.grad((value * weights).sum(), inputs)


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.sampled_from([1, 7, 40, 10000]))
def test_pair_scores_equal_the_dense_formula(seeds, states, descriptions, width, block):
    inputs = [numbers(1, seeds, states, width), numbers(2, seeds, descriptions, width)]
    inputs += [numbers(3, seeds, 1, width), numbers(4, seeds, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receiver, "PAIRS_BLOCK", block)
        found = PairScores.apply(*inputs)
        own = gradients(found, inputs)
    state, description, weight, bias = inputs
    pairs = (state[:, :, None] + description[:, None]).relu()
    dense = torch.einsum("smdh,sh->smd", pairs, weight[:, 0]) + bias[:, :, None]
    torch.testing.assert_close(found, dense)
    for one, other in zip(own, gradients(dense, inputs), strict=True):
        torch.testing.assert_close(one, other)


def test_blocks_cover_every_row_once():
    hidden = torch.zeros(2, 11, 3, 5)
    with pytest.MonkeyPatch.context() as patch:
        for size in (1, 31, 90, 10**6):
            patch.setattr(attention, "BLOCK", size)
            assert [row for rows in row_blocks(hidden) for row in range(11)[rows]] == list(range(11))


@settings(deadline=None)
@given(st.integers(1, 3), st.booleans(), st.booleans(), st.sampled_from([1, 25, 10000]))
def test_replayed_attention_equals_the_dense_formula(seeds, shared, full, block):
    batch, items, width = 4, 5, 6
    module = AdditiveAttention(seeds, 7, [3], width).double()
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(numbers(20 + number, *parameter.shape))
    sizes = [batch, batch, batch] if full else [batch, 3, 1]
    rows = torch.arange(batch).repeat(3) if full else torch.tensor([0, 1, 2, 3, 0, 2, 3, 2])
    packed = PackedIndex(sizes, rows.expand(seeds, -1), None, None, None, full)
    cells = numbers(5, seeds, 1 if shared else batch, items, 7).detach()
    query = numbers(6, seeds, len(rows), width)
    inputs = [query, module.item.weight, module.item.bias, module.energy.weight, module.energy.bias]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "BLOCK", block)
        with torch.no_grad():
            stored = module.keys(cells)
        keys = module.replay_keys(cells, stored)
        with torch.no_grad():
            caches = [
                module.compute_energies(keys if shared else pick(keys, own), part)
                for own, part in zip(packed.rows.split(sizes, 1), query.split(sizes, 1), strict=True)
            ]
        again = module.replay_with_grad(keys, query, caches, packed)
        own = gradients(again, inputs)
    keys = torch.einsum("sbic,shc->sbih", cells, module.item.weight) + module.item.bias[:, None, None]
    of_rows = keys.expand(-1, batch, -1, -1)[:, rows]
    dense = torch.einsum("snih,sh->sni", (of_rows + query[:, :, None]).tanh(), module.energy.weight[:, 0])
    dense = dense + module.energy.bias[:, :, None]
    torch.testing.assert_close(again, dense)
    for one, other in zip(own, gradients(dense, inputs), strict=True):
        torch.testing.assert_close(one, other)


def test_weights_sum_to_1_over_allowed_items():
    energies = torch.tensor([[1.0, 2.0, 3.0]])
    allowed = torch.tensor([[True, False, True]])
    weights = attend(energies, allowed)
    assert weights[0, 1] == 0
    torch.testing.assert_close(weights[0, 2] / weights[0, 0], torch.tensor(2.0).exp())
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
