"""The search for a batch size, on a simulated GPU with given times and a memory limit."""

import pytest
import torch

from parley.features import backbone
from parley.features.backbone import largest_useful_batch


@pytest.fixture
def clock(monkeypatch):
    """A simulated clock that advances only while the simulated GPU works."""
    passed = [0.0]
    monkeypatch.setattr(backbone.time, "perf_counter", lambda: passed[0])
    return passed


def machine(clock, seconds_an_image, most):
    asked = []

    def see(images):
        asked.append(images)
        if images > most:
            raise torch.OutOfMemoryError("no room")
        clock[0] += images * seconds_an_image(images)

    return see, asked


@pytest.mark.parametrize(("most", "images", "found"), [(128, 10_000, 128), (31, 10_000, 32), (10_000, 100, 128)])
def test_the_largest_batch_that_fits_and_is_faster_is_chosen(clock, most, images, found):
    see, asked = machine(clock, lambda size: 0.02 / size**2, most)
    assert largest_useful_batch(see, images) == found
    assert max(asked) <= 2 * found


def test_the_batch_is_not_much_larger_than_the_number_of_images(clock):
    see, asked = machine(clock, lambda size: 2e-4, 10_000)
    assert largest_useful_batch(see, 10_000) == 32
    assert max(asked) == 64
