"""Check the values of a checkpoint file, which may be damaged, edited or written by another program."""

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from parley.core.tensor_files import is_floats, misfit

_MOST_IDS = 2**63


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(_is_number(one) for one in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_IDS


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_scale(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(one, Tensor) for one in value)


_FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "game": ("a mapping of settings", _is_mapping),
    "training": ("a mapping of settings", _is_mapping),
    "sizes": ("a list of three widths", lambda value: _are_numbers(value) and len(value) == 3),
    "candidate_ids": (
        "a list of different label ids",
        lambda value: _are_numbers(value) and len(value) == len(set(value)) > 0,
    ),
    "seed": ("a non-negative integer", _is_number),
    "step": ("a non-negative integer", _is_number),
    "scales": (
        "a list of three scales, each with a mean and a standard deviation",
        lambda value: (
            isinstance(value, list)
            and len(value) == 3
            and all(scale is None or _is_scale(scale) for scale in value)
            and value[0] is not None
        ),
    ),
    "agents": (
        "a mapping of tensors by agent",
        lambda value: _is_mapping(value) and all(map(_is_mapping, value.values())),
    ),
    "optimiser": ("a mapping", _is_mapping),
}
"""Description of each value of a checkpoint, and a function that checks a value."""


def values_problem(values: Mapping[str, Any]) -> str:
    """Return the problem of the first missing or invalid value of a checkpoint; empty if all values are valid.

    The settings are checked when they are constructed, and the tensors of the agents by `tensors_problem`.
    """
    for name, (wanted, fits) in _FIELDS.items():
        if name not in values:
            return f"it has no {name}"
        if not fits(values[name]):
            return f"`{name}` is {_shown(values[name])}, not {wanted}"
    feature, word, context = values["sizes"]
    widths = {"features": feature, "context": context, "words": word}
    for (kind, width), scale in zip(widths.items(), values["scales"], strict=True):
        if scale is not None and (problem := _scale_problem(scale[0], scale[1], width)):
            return f"its scale of the {kind} {problem}"
    return ""


def tensors_problem(agents: Mapping[str, Mapping[str, Tensor]], stored: Mapping[str, Any]) -> str:
    """Return how the stored tensors of agents differ from those of new agents; empty if they match.

    Parameters
    ----------
    agents
        State dict of each of the new agents.
    stored
        The same, as stored in the checkpoint.
    """
    for name, state in agents.items():
        if name not in stored:
            return f"it has no agent {name}"
        if problem := misfit(state, stored[name]):
            return f"its agent {name} does not fit its settings: {problem}"
    return f"it has an unknown agent {unknown[0]}" if (unknown := sorted(map(str, stored.keys() - agents))) else ""


def _scale_problem(mean: Tensor, sd: Tensor, width: int) -> str:
    """Return the problem of a mean and a standard deviation of each channel; empty if they are valid."""
    channels = (width,)
    # A scale has the width of an input of the networks.
    if mean.shape != channels or sd.shape != channels:
        return f"has the shapes {tuple(mean.shape)} and {tuple(sd.shape)}, not {channels}"
    if not (is_floats(mean) and is_floats(sd)):
        return f"is stored as {mean.dtype} and {sd.dtype}, not as floats"
    if not (mean.isfinite().all() and sd.isfinite().all()):
        return "is not finite"
    return "" if (sd > 0).all() else "has a standard deviation that is not above 0"


def _shown(value: Any) -> str:
    """Return a shortened value of a plain type, or the type of any other value."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    is_plain = all(one is None or isinstance(one, (bool, int, float, str)) for one in parts)
    return reprlib.repr(value) if is_plain else f"of type {type(value).__name__}"
