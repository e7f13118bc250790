"""Channels: messages and gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.game.channel import CHANNELS, make_channel
from parley.game.settings import GameSettings

LOGITS = torch.linspace(-4, 4, 41, dtype=torch.float64)
OF_BITS = ("bernoulli", "straight_through", "gumbel")


def channel_of(name, temperature=1.0):
    return make_channel(GameSettings(channel=name, temperature=temperature))


@pytest.mark.parametrize("name", OF_BITS)
def test_a_bit_is_1_where_the_noise_is_below_its_probability(name):
    noise = torch.rand(41, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    message = channel_of(name, 0.3).send(LOGITS, noise)
    expected = (noise < 1 / (1 + (-LOGITS).exp())).double()
    torch.testing.assert_close(message.value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(message.probs, 1 / (1 + (-LOGITS).exp()))


@pytest.mark.parametrize("name", OF_BITS)
def test_without_noise_bits_are_rounded(name):
    message = channel_of(name, 0.3).send(LOGITS, None)
    torch.testing.assert_close(message.value, (LOGITS > 0).double(), rtol=0, atol=1e-12)


def gradient(name, noise, temperature=1.0):
    logits = LOGITS.clone().requires_grad_()
    channel_of(name, temperature).send(logits, noise).value.sum().backward()
    return logits.grad


def test_straight_through_has_the_gradient_of_the_probability():
    probs = LOGITS.sigmoid()
    torch.testing.assert_close(gradient("straight_through", torch.full((41,), 0.4).double()), probs * (1 - probs))


@given(st.floats(0.05, 3.0), st.floats(0.01, 0.99))
def test_gumbel_has_the_gradient_of_the_relaxed_bit(temperature, number):
    noise = torch.full((41,), number, dtype=torch.float64)
    # Maddison, Mnih and Teh (2017): the relaxed bit is σ((logit(p) + logistic noise)/temperature).
    relaxed = ((LOGITS - (noise / (1 - noise)).log()) / temperature).sigmoid()
    expected = relaxed * (1 - relaxed) / temperature
    torch.testing.assert_close(gradient("gumbel", noise, temperature), expected, rtol=1e-6, atol=1e-9)


def test_noise_of_0_gives_a_finite_gradient():
    assert gradient("gumbel", torch.zeros(41, dtype=torch.float64), 0.1).isfinite().all()


@pytest.mark.parametrize("name", ["continuous", "continuous_original"])
def test_continuous_messages_are_the_logits(name):
    message = channel_of(name).send(LOGITS, torch.zeros(41))
    assert torch.equal(message.value, LOGITS)
    assert torch.equal(message.probs, LOGITS)


@pytest.mark.parametrize(
    ("name", "uses_reinforce", "differentiable", "samples_bits", "discrete", "has_entropy"),
    [
        ("bernoulli", True, False, True, True, True),
        ("straight_through", False, True, True, True, True),
        ("gumbel", False, True, True, True, True),
        ("continuous", False, True, False, False, False),
        ("continuous_original", False, False, False, False, False),
    ],
)
def test_properties_of_the_channels(name, uses_reinforce, differentiable, samples_bits, discrete, has_entropy):
    kind = CHANNELS[name]
    assert (kind.uses_reinforce, kind.differentiable) == (uses_reinforce, differentiable)
    assert (kind.samples_bits, kind.discrete, kind.has_entropy) == (samples_bits, discrete, has_entropy)


def test_an_unknown_channel_is_an_error():
    with pytest.raises(ParleyError, match=r"game\.channel: 'smoke' is not one of bernoulli,"):
        channel_of("smoke")
