"""Checkpoints: the state of a run at one training step, in one file that is safe to load."""

import io
import pickle  # For the name of its error alone.  # nosec B403
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch

from parley.core.errors import ParleyError
from parley.core.failures import raise_if_failed
from parley.core.files import written_aside
from parley.game.agents import Agents, make_agents
from parley.game.settings import GameSettings, TrainingSettings, as_mapping, result_affecting
from parley.interaction.split_data import Scale, Standardizer

FORMAT = 2
_ANY_WIDTH = 4096
"""Widths up to this need no tensor of that size: networks without attention do not use the context."""


class Sizes(NamedTuple):
    """Input widths, which come from the data and not from the settings."""

    feature: int
    word: int
    context: int


class Checkpoint(NamedTuple):
    """The state of one run, with its single seed, at one training step."""

    agents: Agents
    standardizer: Standardizer
    game: GameSettings
    training: TrainingSettings
    sizes: Sizes
    candidate_ids: list[int]
    """Label ids of the training classes, in the order of the scores."""
    seed: int
    step: int
    optimiser: dict[str, Any]
    """The optimiser's state."""


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    save_values(path, values_of(checkpoint))


def save_values(path: str | Path, values: dict[str, Any]) -> None:
    """Write tensors and plain values atomically; the same values give the same bytes, whatever the file's name."""
    content = io.BytesIO()  # Given a path, torch stores the file's name, and does not report a full disk as an OSError.
    torch.save(_interned(values), content)
    with written_aside(path) as aside:
        aside.write_bytes(content.getbuffer())


def _interned(value: Any) -> Any:
    """Return equal values in which equal strings are the same object.

    A pickle stores a second occurrence of an object as a reference. Without this, values read from a file would be
    written as other bytes than newly made ones.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_interned(key): _interned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_interned(each) for each in value]
    return value


def values_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as tensors and plain values."""
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
    """Load a checkpoint; only tensors and plain values are unpickled.

    Raises
    ------
    ParleyError
        If the file is missing, damaged, not a checkpoint of this format, or the marker of a failed run.
    """
    return checkpoint_from_values(read_values(path), path)


def read_values(path: str | Path) -> dict[str, Any]:
    """Read the values of a checkpoint file, with the errors of `load_checkpoint`."""
    raise_if_failed(path)
    try:
        _check_archive(path)
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `snakemake --cores all train` to make it.") from error
    except Exception as error:  # torch raises many types on damaged files; each means the same here
        raise ParleyError(
            f"{path} cannot be read as a checkpoint ({_reason(error)}); "
            "remove it and run `snakemake --cores all train` again."
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ParleyError(f"{path} is not a Parley checkpoint of format {FORMAT}; train the run again.")
    return values


def _check_archive(path: str | Path) -> None:
    """Raise an error if a file of `torch.save` is damaged or compressed; torch itself verifies no checksum."""
    with zipfile.ZipFile(path) as archive:
        if packed := [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]:
            raise ValueError(f"{packed[0]} in it is compressed, which torch never does")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} in it does not match its checksum")


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # its own text advises to run the code in the file
        return "it is not a file of torch, or holds more than tensors and plain values, which is never run"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return f"{type(error).__name__}: {(str(error) or 'empty').splitlines()[0].split('. ')[0]}"


def checkpoint_from_values(values: dict[str, Any], path: str | Path) -> Checkpoint:
    """Return the checkpoint with the values of a file.

    Raises
    ------
    ParleyError
        If values are missing or contradict each other.
    """
    try:
        game, sizes = GameSettings.from_mapping(values["game"]), Sizes(*values["sizes"])
        _check_widths({**values["game"], **sizes._asdict()}, values["agents"])
        agents = make_agents(game, sizes.feature, sizes.word, [values["seed"]], sizes.context)
        for name, network in agents._asdict().items():
            network.load_state_dict(values["agents"][name])
        features, context, words = (None if scale is None else Scale(*scale) for scale in values["scales"])
        if features is None:
            raise ParleyError(f"{path} lacks the scale of its features; train the run again.")
        training = TrainingSettings.from_mapping(values["training"])
        ids, seed, step, optimiser = (values[name] for name in ("candidate_ids", "seed", "step", "optimiser"))
        return Checkpoint(
            agents, Standardizer(features, context, words), game, training, sizes, ids, seed, step, optimiser
        )
    except ParleyError:
        raise
    except Exception as error:  # the values can be anything; each error means the same
        raise ParleyError(
            f"{path} is an incomplete checkpoint ({_reason(error)}); "
            "remove it and run `snakemake --cores all train` again."
        ) from error


def _check_widths(widths: dict[str, Any], networks: dict[str, dict[str, torch.Tensor]]) -> None:
    """Raise `ValueError` if networks would be wider than the stored tensors, before memory is allocated for them."""
    stored = {size for state in networks.values() for tensor in state.values() for size in tensor.shape}
    for name, width in widths.items():
        is_width = name in Sizes._fields or name.endswith(("_hidden", "_bits"))
        if is_width and isinstance(width, int) and width > max([_ANY_WIDTH, *stored]):
            raise ValueError(f"{name} is {width}, but no tensor in it is as wide")
