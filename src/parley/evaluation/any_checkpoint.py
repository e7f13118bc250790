"""Any checkpoint on any file of features, Parley's own or one of the 2017 code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from parley.core.errors import Findings, ParleyError
from parley.core.files import read_json
from parley.evaluation.evaluate import EvalBatchSpec, make_eval_set, play
from parley.interaction import run as evaluation
from parley.interaction.eval_sets import candidate_ids
from parley.interaction.split_data import Candidates, Part, load_candidates, load_part, refuse_undescribed
from parley.training.checkpoint import Checkpoint, load_checkpoint


class LoadedCheckpoint(NamedTuple):
    """A checkpoint, and every class that it can be asked about."""

    checkpoint: Checkpoint
    candidates: Candidates
    about: dict[str, Any]
    """``experiment, run, seed``; the first two empty where nothing beside the checkpoint tells."""


class Predictions(NamedTuple):
    """What the agents said about the images of a file."""

    played: evaluation.Played
    keys: list[str]
    candidate_ids: list[int]
    labels: list[str]
    """Names of the candidates, in the order of the scores."""
    spec: EvalBatchSpec
    """What they were spec."""


def open_checkpoint(checkpoint_path: str | Path, descriptions: str | Path, words: str | Path) -> LoadedCheckpoint:
    """Load a checkpoint and the candidates' descriptions.

    Raises
    ------
    ParleyError
        When a file is missing or damaged, or the descriptions do not fit the checkpoint.
    """
    checkpoint = _load(checkpoint_path)
    candidates = load_candidates(descriptions, words, checkpoint.game)
    found, wanted = candidates.descriptions.vectors.shape[-1], checkpoint.sizes.word
    if found != wanted:
        raise ParleyError(
            f"{words} has vectors of {found} numbers, but {checkpoint_path} was trained with {wanted}; "
            "name the words.hdf5 that it was trained with."
        )
    if strays := [label for label in checkpoint.candidate_ids if label >= len(candidates.labels)]:
        raise ParleyError(
            f"{checkpoint_path} was trained on label {_listed(strays)}, but {descriptions} describes the labels 0 to "
            f"{len(candidates.labels) - 1}; name the descriptions.csv that it was trained with, or a longer one."
        )
    return LoadedCheckpoint(checkpoint, candidates, about(checkpoint_path, checkpoint))


def _load(checkpoint_path: str | Path) -> Checkpoint:
    try:
        return load_checkpoint(checkpoint_path)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParleyError(
            f"{checkpoint_path} is a checkpoint of which something is missing or of another shape ({reason}); "
            "train the run again, or take the version of Parley that made it."
        ) from error


def run_folder(checkpoint_path: str | Path) -> Path:
    """Return the folder of the run that a checkpoint belongs to: its own, or the one above `checkpoints/`."""
    folder = Path(checkpoint_path).absolute().parent
    return folder.parent if folder.name == "checkpoints" else folder


def about(checkpoint_path: str | Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the experiment, run and seed of a checkpoint, as `config.json` in its folder says."""
    path = run_folder(checkpoint_path) / "config.json"
    config = read_json(path) if path.is_file() else {}
    if not isinstance(config, dict) or config.get("seed") != checkpoint.seed:
        config = {}  # None there, or that of another run.
    names = {name: str(config.get(name, "")) for name in ("experiment", "run")}
    return {**names, "seed": checkpoint.seed}


def evaluate_file(loaded: LoadedCheckpoint, features: str | Path, among: str) -> Predictions:
    """Let the agents talk about every image of a file.

    Parameters
    ----------
    loaded
        From `open_checkpoint`.
    features
        The HDF5 file.
    among
        One of `candidates.CANDIDATES`.

    Raises
    ------
    ParleyError
        When the file does not fit the checkpoint or the descriptions: everything at once.
    """
    checkpoint, candidates = loaded.checkpoint, loaded.candidates
    part = load_part(features, checkpoint.game)
    _check_shapes(part, features, checkpoint)
    own = part.targets.unique().tolist()
    refuse_undescribed(own, candidates, str(features))
    ids = candidate_ids(among, checkpoint.candidate_ids, own, len(candidates.labels))
    if strays := sorted(set(own) - set(ids)):
        raise ParleyError(
            f"{features} holds images of label {_listed(strays)}, which the checkpoint was not trained on; "
            "add `--candidates all`, or leave these images out."
        )
    spec = make_eval_set(checkpoint, part, candidates, ids, str(features))
    played = play(checkpoint, spec)
    if not torch.isfinite(played.dialogue.scores).all():
        raise ParleyError(
            f"On {features} the checkpoint's scores are not all finite numbers: the run diverged; take an earlier one."
        )
    return Predictions(played, part.keys, spec.candidate_ids, spec.labels, spec)


def _check_shapes(part: Part, features: str | Path, checkpoint: Checkpoint) -> None:
    if not len(part.targets):
        raise ParleyError(f"{features} holds no image; name another file.")
    findings = Findings()
    (width, context), wanted = evaluation.shape_of(part), checkpoint.sizes
    if width != wanted.feature:
        findings.add(
            f"{features} has features of {width} numbers, but the checkpoint was trained on {wanted.feature}; "
            "name a file made with the same network."
        )
    if part.images.context is not None and context != wanted.context:
        findings.add(
            f"{features} has logits of {context} classes, but the checkpoint was trained with {wanted.context}; "
            "name a file made with the same network."
        )
    findings.raise_if_any()


def _listed(labels: Sequence[int]) -> str:
    shown = ", ".join(map(str, labels[:10]))
    return shown if len(labels) <= 10 else f"{shown} and {len(labels) - 10} more"
