"""Checkpoints: everything a run needs to go on or to be judged, in one file that is safe to load."""

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
"""What a width may be without a tensor that shows it: a context that the networks do not use."""


class Sizes(NamedTuple):
    """Widths that come from the data and not from the settings."""

    feature: int
    word: int
    context: int


class Checkpoint(NamedTuple):
    """A checkpoint of a run with one seed."""

    agents: Agents
    standardizer: Standardizer
    game: GameSettings
    training: TrainingSettings
    sizes: Sizes
    candidate_ids: list[int]
    """Label ids of the in-domain candidates, in the order of the scores."""
    seed: int
    step: int
    optimiser: dict[str, Any]
    """What the optimiser remembers."""


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    save_values(path, values_of(checkpoint))


def save_values(path: str | Path, values: dict[str, Any]) -> None:
    """Write tensors and plain values atomically; the same bytes for the same values, whatever the file's name."""
    content = io.BytesIO()  # torch would write a file's name into it, and calls a full disk by no name of its own.
    torch.save(_interned(values), content)
    with written_aside(path) as aside:
        aside.write_bytes(content.getbuffer())


def _interned(value: Any) -> Any:
    """Return equal values in which equal strings are one object.

    A pickle refers back to objects that it has seen, so that values read from a file would else be
    written as other bytes than those made anew.
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
    """Read a checkpoint; nothing but tensors and plain values is unpickled.

    Raises
    ------
    ParleyError
        When the file is missing, damaged, or not a checkpoint of this kind.
    """
    return checkpoint_from_values(read_values(path), path)


def read_values(path: str | Path) -> dict[str, Any]:
    """Read the values of a checkpoint's file; nothing but tensors and plain values is unpickled.

    Raises
    ------
    ParleyError
        When the file is missing, damaged, not a checkpoint of this kind, or stands for a run that failed.
    """
    raise_if_failed(path)
    try:
        refuse_flipped(path)
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `snakemake train` to make it.") from error
    except Exception as error:  # torch raises many types on damaged files; each means the same here
        raise ParleyError(
            f"{path} cannot be read as a checkpoint ({_reason(error)}); remove it and run `snakemake train` again."
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ParleyError(f"{path} is not a Parley checkpoint of format {FORMAT}; train the run again.")
    return values


def refuse_flipped(path: str | Path) -> None:
    """Raise where a file of torch is damaged or packed: torch itself looks at no checksum, and packs nothing.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        With what is wrong.
    """
    with zipfile.ZipFile(path) as archive:
        if packed := [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]:
            raise ValueError(f"{packed[0]} in it is compressed, which torch never does")
        if (flipped := archive.testzip()) is not None:
            raise ValueError(f"{flipped} in it has another checksum than it was written with")


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # whose text advises to run what the file holds
        return "it is no file of torch, or holds more than tensors and plain values, which is never run"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return f"{type(error).__name__}: {(str(error) or 'empty').splitlines()[0].split('. ')[0]}"


def checkpoint_from_values(values: dict[str, Any], path: str | Path) -> Checkpoint:
    """Return the checkpoint that a file's values are.

    Raises
    ------
    ParleyError
        When they lack something, or contradict each other.
    """
    try:
        return _parse(values, path)
    except ParleyError:
        raise
    except Exception as error:  # values from anywhere, of any kind: each error means the same
        raise ParleyError(
            f"{path} is no whole checkpoint ({_reason(error)}); remove it and run `snakemake train` again."
        ) from error


def _parse(values: dict[str, Any], path: str | Path) -> Checkpoint:
    game = GameSettings.from_mapping(values["game"])
    sizes = Sizes(*values["sizes"])
    _refuse_inflated({**values["game"], **sizes._asdict()}, values["agents"])
    agents = make_agents(game, sizes.feature, sizes.word, [values["seed"]], sizes.context)
    for name, network in agents._asdict().items():
        network.load_state_dict(values["agents"][name])
    features, context, words = (None if scale is None else Scale(*scale) for scale in values["scales"])
    if features is None:
        raise ParleyError(f"{path} lacks the scale of its features; train the run again.")
    return Checkpoint(
        agents,
        Standardizer(features, context, words),
        game,
        TrainingSettings.from_mapping(values["training"]),
        sizes,
        values["candidate_ids"],
        values["seed"],
        values["step"],
        values["optimiser"],
    )


def _refuse_inflated(widths: dict[str, Any], networks: dict[str, dict[str, torch.Tensor]]) -> None:
    """Raise `ValueError` where networks are said to be wider than what is stored of them, before they are made so."""
    stored = {size for state in networks.values() for tensor in state.values() for size in tensor.shape}
    for name, width in widths.items():
        named = name in Sizes._fields or name.endswith(("_hidden", "_bits"))
        if named and isinstance(width, int) and width > max([_ANY_WIDTH, *stored]):
            raise ValueError(f"{name} is {width}, but no tensor in it is as wide")
