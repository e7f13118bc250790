"""Augmentation: which random numbers, how large, and for which image."""

import pytest
import torch

from parley.game.rng import counter_states
from parley.game.settings import TrainingSettings
from parley.training.training_data import Blending, Dropout, Noise, augmentations

WAYS = pytest.mark.parametrize("way", [Noise(0.7), Dropout(0.5)], ids=["noise", "dropout"])


def changed_by(way, features, seeds, step):
    return way.apply(features, counter_states(seeds, way.purpose, step))


def test_noise_has_the_given_standard_deviation():
    changed = changed_by(Noise(0.7), torch.full((2, 300, 200), 5.0), [1, 2], 3) - 5
    assert changed.mean().abs() < 0.01
    assert changed.std() == pytest.approx(0.7, rel=0.01)
    # A normal distribution's fourth moment is 3 of the squared second.
    assert (changed**4).mean() / (changed**2).mean() ** 2 == pytest.approx(3, rel=0.05)


def test_dropout_keeps_the_mean():
    changed = changed_by(Dropout(0.4), torch.full((2, 300, 200), 3.0), [1, 2], 3)
    assert changed.unique().tolist() == pytest.approx([0.0, 5.0])
    assert (changed == 0).float().mean() == pytest.approx(0.4, abs=0.01)


@WAYS
def test_each_seed_and_step_has_its_own_reproducible_numbers(way):
    features = torch.ones(3, 4, 5)
    together = changed_by(way, features, [7, 8, 9], 2)
    assert torch.equal(together[1:2], changed_by(way, features[:1], [8], 2))
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(together, changed_by(way, features, [7, 8, 9], 3))


@WAYS
def test_the_cells_of_an_image_change_alike(way):
    changed = changed_by(way, torch.ones(1, 4, 6, 5), [1], 1)
    assert (changed == changed[:, :, :1]).all()
    assert len(changed[0, :, 0].unique()) > 1


def test_the_settings_turn_augmentations_on():
    assert augmentations(TrainingSettings()) == []
    both = augmentations(TrainingSettings(feature_noise=0.1, feature_dropout=0.2))
    assert [type(way) for way in both] == [Noise, Dropout]
    assert (both[0].sd, both[1].probability) == (0.1, 0.2)


def test_partners_are_of_the_same_class_and_each_occurs():
    targets = torch.tensor([2, 0, 1, 2, 2, 0, 1, 2])
    rows = torch.arange(8).expand(2, -1)
    seen, shares = set(), []
    blending = Blending(targets)
    for step in range(200):
        partners, share = blending.partners(rows, counter_states([1, 2], "blend", step))
        assert (targets[partners] == targets[rows]).all()
        seen |= set(zip(rows.flatten().tolist(), partners.flatten().tolist(), strict=True))
        shares.append(share)
    assert seen == {(row, other) for row in range(8) for other in range(8) if targets[row] == targets[other]}
    shares = torch.stack(shares)
    assert shares.min() >= 0
    assert shares.max() < 1
    assert shares.mean() == pytest.approx(0.5, abs=0.02)


def test_a_class_of_one_image_is_blended_with_itself():
    partners, _ = Blending(torch.tensor([0, 1])).partners(torch.tensor([[0, 1]]), counter_states([1], "blend", 1))
    assert partners.tolist() == [[0, 1]]
