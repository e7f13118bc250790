"""Counter-based random numbers: reference values, uniformity, independence of seeds."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from parley.game.rng import permutation, splitmix64, uniforms


def test_words_equal_splitmix64():
    """The reference values are the first outputs of the authors' code from state 1234567."""
    words = [int(word) % (1 << 64) for word in splitmix64(torch.tensor([1234567]), 5)[0]]
    assert words == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_numbers_are_uniform_in_0_1():
    drawn = uniforms([1], "bits", 3, (200, 500))
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("other", [((2,), "bits", 3), ((1,), "bits", 4), ((1,), "flips", 3)])
def test_neighbouring_seeds_steps_and_purposes_are_uncorrelated(other):
    one, two = uniforms([1], "bits", 3, (40_000,))[0], uniforms(*other, (40_000,))[0]
    # The correlation of 40,000 independent pairs has a standard deviation of 1/200.
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / 200


def test_a_seed_gets_the_same_numbers_in_a_group_as_alone():
    together = uniforms([5, 9, 2], "bits", 7, (3, 4))
    assert torch.equal(together[1], uniforms([9], "bits", 7, (3, 4))[0])


def test_a_permutation_is_a_function_of_its_arguments():
    assert torch.equal(permutation(1, "order", 2, 50), permutation(1, "order", 2, 50))
    assert not torch.equal(permutation(1, "order", 2, 50), permutation(1, "order", 3, 50))
    assert permutation(1, "order", 2, 50).sort().values.tolist() == list(range(50))
