"""The search for a batch size, on a machine played by a table of times and a limit of memory."""

import pytest
import torch

from parley.features import batches
from parley.features.batches import largest_useful_batch


@pytest.fixture
def clock(monkeypatch):
    """The time, which passes only while the machine works: one that sleeps is late on a busy computer."""
    passed = [0.0]
    monkeypatch.setattr(batches.time, "perf_counter", lambda: passed[0])
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
def test_the_largest_that_fits_while_larger_is_faster(clock, most, images, found):
    see, asked = machine(clock, lambda size: 0.02 / size**2, most)
    assert largest_useful_batch(see, images) == found
    assert max(asked) <= 2 * found


def test_no_larger_than_makes_a_difference(clock):
    see, asked = machine(clock, lambda size: 2e-4, 10_000)
    assert largest_useful_batch(see, 10_000) == 32
    assert max(asked) == 64
