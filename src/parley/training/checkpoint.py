"""Checkpoints: save the state of a run at one training step, and load it without executing code from the file."""

import io
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from parley.core.errors import ParleyError
from parley.core.failures import raise_if_failed
from parley.core.files import remedy, written_aside
from parley.core.tensor_files import is_floats, load_tensors, why_unreadable
from parley.game.agents import Agents, make_agents
from parley.game.settings import GameSettings, TrainingSettings, as_mapping, result_affecting
from parley.interaction.split_data import Scale, Standardizer
from parley.training.checkpoint_checks import tensors_problem, values_problem

FORMAT = 2
_ANY_WIDTH = 4096
"""Widths up to this value are accepted even if no stored tensor is so wide, because unused inputs have no tensor."""


class Sizes(NamedTuple):
    """Input widths of the networks: image features, word vectors, and the logits that visual attention uses."""

    feature: int
    word: int
    context: int


class Checkpoint(NamedTuple):
    """State of one run at one training step."""

    agents: Agents
    standardizer: Standardizer
    game: GameSettings
    training: TrainingSettings
    sizes: Sizes
    candidate_ids: list[int]
    """Label ids of the training classes, in the order of the Receiver's scores."""
    seed: int
    step: int
    optimiser: dict[str, Any]
    """State of the optimiser, as returned by `Optimiser.state_of`."""


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint to a file atomically."""
    save_values(path, values_of(checkpoint))


def save_values(path: str | Path, values: dict[str, Any]) -> None:
    """Write tensors and plain values to a file atomically. The bytes depend only on the values, not on the path."""
    content = io.BytesIO()  # Given a path, torch.save stores the name, and a full disk raises no OSError.
    torch.save(_interned(values), content)
    with written_aside(path) as aside:
        aside.write_bytes(content.getvalue())  # After an error, Python 3.12.1 crashes on a view of the buffer.


def _interned(value: Any) -> Any:
    """Return a copy of nested values in which equal strings are the same object.

    Pickle stores the second occurrence of an object as a reference to the first. Without interning, the bytes written
    for values that were read from a file could differ from the bytes for newly created values.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_interned(key): _interned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_interned(each) for each in value]
    return value


def values_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Convert a checkpoint to a dictionary of tensors and plain values, for `save_values`."""
    return {
        "format": FORMAT,
        "game": as_mapping(checkpoint.game),
        "training": result_affecting(as_mapping(checkpoint.training)),
        "sizes": list(checkpoint.sizes),
        "candidate_ids": checkpoint.candidate_ids,
        "seed": checkpoint.seed,
        "step": checkpoint.step,
        "scales": [None if scale is None else list(scale) for scale in checkpoint.standardizer],
        "agents": {name: network.state_dict() for name, network in checkpoint.agents._asdict().items()},
        "optimiser": checkpoint.optimiser,
    }


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Load a checkpoint from a file. Only tensors and plain values are unpickled.

    Raises
    ------
    ParleyError
        If the file is missing or damaged, is not a checkpoint of this format, or only records that the run failed.
    """
    return checkpoint_from_values(read_values(path), path)


def read_values(path: str | Path) -> dict[str, Any]:
    """Read the dictionary of values from a checkpoint file. Raises the same errors as `load_checkpoint`."""
    raise_if_failed(path)
    try:
        values = load_tensors(path)
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `uv run snakemake --cores all train` to make it.") from error
    except Exception as error:  # torch.load raises many error types for damaged files; all are reported alike.
        raise invalid(path, why_unreadable(error, path)) from error
    if not isinstance(values, dict) or "format" not in values:
        raise invalid(path, "Parley did not write it")
    if values["format"] != FORMAT:
        raise invalid(path, f"its format is {values['format']!r}, not {FORMAT}")
    return values


def invalid(path: str | Path, problem: str) -> ParleyError:
    """Return an error that says what is wrong with a checkpoint file, and what to do."""
    is_made = remedy(path).startswith("remove")
    fix = (
        "remove it and run `uv run snakemake --cores all train` again"
        if is_made
        else "use an unmodified checkpoint from Parley"
    )
    return ParleyError(f"{path} is not a valid checkpoint: {problem}; {fix}.")


def checkpoint_from_values(values: dict[str, Any], path: str | Path) -> Checkpoint:
    """Build a checkpoint from the values read from a file. The path is used in error messages.

    Raises
    ------
    ParleyError
        If values are missing or contradict each other.
    """
    if problem := values_problem(values):
        raise invalid(path, problem)
    try:
        game, training = GameSettings.from_mapping(values["game"]), TrainingSettings.from_mapping(values["training"])
        sizes = Sizes(*values["sizes"])
        _check_widths({**values["game"], **sizes._asdict()}, values["agents"])
        agents = make_agents(game, sizes.feature, sizes.word, [values["seed"]], sizes.context)
    except Exception as error:  # Malformed settings can cause any type of error; all are reported alike.
        reason = str(error).rstrip(".") or type(error).__name__
        raise invalid(path, f"its settings cannot be used ({reason})") from error
    states = {name: network.state_dict() for name, network in agents._asdict().items()}
    if problem := tensors_problem(states, values["agents"]):
        raise invalid(path, problem)
    for name, network in agents._asdict().items():
        network.load_state_dict(values["agents"][name])
    features, *scales = (None if one is None else Scale(one[0].float(), one[1].float()) for one in values["scales"])
    assert features is not None  # `values_problem` finds it.
    others = {name: values[name] for name in ("candidate_ids", "seed", "step", "optimiser")}
    return Checkpoint(agents, Standardizer(features, *scales), game, training, sizes, **others)


def _check_widths(widths: dict[str, Any], networks: dict[str, dict[str, Any]]) -> None:
    """Raise `ValueError` if a width exceeds `_ANY_WIDTH` and all stored tensors' sizes, before memory is allocated."""
    tensors = [one for state in networks.values() for one in state.values() if is_floats(one)]
    stored = {size for tensor in tensors for size in tensor.shape}
    for name, width in widths.items():
        is_width = name in Sizes._fields or name.endswith(("_hidden", "_bits"))
        if is_width and isinstance(width, int) and width > max([_ANY_WIDTH, *stored]):
            raise ValueError(f"{name} is {width}, but no stored tensor is that wide")
