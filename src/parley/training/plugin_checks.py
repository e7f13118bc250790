"""Checks of the parts of plug-ins that a run trains with, and their names in error messages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings, TrainingSettings
from parley.plugins.kinds import GAME_SETTINGS
from parley.plugins.loading import plugin_parts_of


def parts_of_plugins(game: GameSettings, training: TrainingSettings) -> list[str]:
    """Return the parts of plug-ins that the settings name, such as ``channel noisy (my_parts.py)``."""
    sections = {"game": game, "training": training}
    named: dict[str, Sequence[str]] = {}
    for kind, setting in GAME_SETTINGS.items():
        section, _, key = setting.partition(".")
        value = getattr(sections[section], key)
        named[kind] = [value] if isinstance(value, str) else value
    return plugin_parts_of(named)


@contextmanager
def no_random_numbers(parts: Sequence[str], device: torch.device) -> Iterator[None]:
    """Raise `ParleyError` if random numbers are drawn from PyTorch's own generators, which checkpoints do not store.

    Parameters
    ----------
    parts
        The parts of plug-ins that may draw them. Parley itself does not.
    device
        The device of the tensors.
    """
    before = _states(device)
    yield
    if any(not torch.equal(one, other) for one, other in zip(before, _states(device), strict=True)):
        raise ParleyError(
            f"The plug-in's {' or '.join(parts)} draws random numbers from PyTorch's generator (torch.rand, dropout), "
            "so that the results would depend on interruptions and on other seeds; draw none, or only from the noise "
            "or states that the part gets."
        )


def _states(device: torch.device) -> list[Tensor]:
    of_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *of_device]
