"""Scales are the train split's mean and standard deviation, in memory or on disk."""

import numpy as np
import pytest
import torch

from parley.features import rows as rows_module
from parley.features.rows import InMemory
from parley.game.types import Descriptions, Images
from parley.interaction.split_data import Maps, Standardizer, fit, fit_words


@pytest.fixture
def maps(monkeypatch):
    monkeypatch.setattr(rows_module, "READ_AT_ONCE_BYTES", 300)
    draw = np.random.default_rng(2)
    values = (40 + 3 * draw.normal(size=(11, 5, 2, 3))).astype(np.float16)
    values[:, 3] = 7
    return Maps(InMemory(torch.from_numpy(values)), torch.randn(11, 4)), values.astype(np.float64)


def test_maps_have_the_scale_of_all_their_cells(maps):
    images, values = maps
    found = fit(images, "train").features
    cells = values.transpose(0, 2, 3, 1).reshape(-1, 5)
    np.testing.assert_allclose(found.mean, cells.mean(0), rtol=1e-6)
    expected = cells.std(0)
    expected[3] = 1  # never varies
    np.testing.assert_allclose(found.sd, expected, rtol=1e-5)


def test_maps_are_standardised_when_a_batch_is_taken(maps):
    images, values = maps
    scaled = fit(images, "train").apply(images)
    wanted = torch.tensor([[3, 0], [10, 3]])
    taken = scaled.take(wanted)
    cells = values.transpose(0, 2, 3, 1).reshape(11, 6, 5)
    sd = cells.reshape(-1, 5).std(0)
    sd[3] = 1
    expected = (cells - cells.reshape(-1, 5).mean(0)) / sd
    np.testing.assert_allclose(taken.features, expected[wanted.numpy()], atol=1e-4)
    context = (images.context - images.context.mean(0)) / images.context.std(0, correction=0)
    torch.testing.assert_close(taken.context, context[wanted])


def test_with_mode_none_nothing_changes(maps):
    images, values = maps
    taken = fit(images, "none").apply(images).take(torch.tensor([2]))
    assert np.array_equal(taken.features[0].numpy(), values[2].reshape(5, 6).T)
    assert torch.equal(taken.context[0], images.context[2])


def test_descriptions_are_standardised_and_padding_stays_zero():
    words = torch.randn(6, 3, 4)
    is_word = torch.arange(3) < torch.tensor([1, 2, 3, 3, 2, 1])[:, None]
    words = words * is_word[..., None]
    described = Descriptions(10 + torch.randn(6, 4), words, is_word)
    scale = fit_words(described, "candidates")
    read = Standardizer(fit(Images(torch.randn(5, 2)), "train").features, words=scale).read(described)
    torch.testing.assert_close(read.vectors.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(read.vectors.std(0, correction=0), torch.ones(4))
    expected = (words - described.vectors.mean(0)) / described.vectors.std(0, correction=0)
    torch.testing.assert_close(read.words[is_word], expected[is_word])
    assert (read.words[~is_word] == 0).all()


def test_descriptions_are_unchanged_by_default():
    described = Descriptions(torch.randn(3, 4))
    assert fit_words(described, "none") is None
    assert Standardizer(fit(Images(torch.randn(5, 2)), "none").features).read(described) is described
