"""Run any checkpoint on any feature file of Parley or of the original implementation (Evtimova et al., 2018)."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from parley.config.saved_configs import overridden, schema_of_run
from parley.config.schema import read_schema
from parley.config.schema_errors import complaints
from parley.core.errors import Findings, ParleyError
from parley.core.files import read_json
from parley.core.formats import listed
from parley.core.installation import SCHEMA
from parley.evaluation.evaluate import EvalBatchSpec, make_batch_spec, play
from parley.features.storage import repeated_names
from parley.game.agents import make_agents
from parley.game.settings import GameSettings, as_mapping
from parley.game.types import Dialogue
from parley.interaction.eval_sets import candidate_ids
from parley.interaction.run import input_widths
from parley.interaction.split_data import Candidates, Part, load_candidates, load_part, require_descriptions
from parley.plugins.recorded import edited_since, load_plugins_of
from parley.text.descriptions import listed_ids
from parley.training.checkpoint import Checkpoint, checkpoint_from_values, invalid, read_values

logger = logging.getLogger(__name__)


class LoadedCheckpoint(NamedTuple):
    """A checkpoint and all classes with a description, which can be candidates."""

    checkpoint: Checkpoint
    candidates: Candidates
    about: dict[str, Any]
    """The checkpoint's ``experiment``, ``run`` and ``seed``, as returned by `about`."""


def open_checkpoint(checkpoint_path: str | Path, descriptions: str | Path, words: str | Path) -> LoadedCheckpoint:
    """Load a checkpoint, and the descriptions of all classes from ``descriptions.csv`` and ``words.hdf5``.

    Raises
    ------
    ParleyError
        If a file is missing or damaged, or the descriptions do not match the checkpoint.
    """
    checkpoint = _trusted(checkpoint_path)
    candidates = load_candidates(descriptions, words, checkpoint.game)
    found, wanted = candidates.descriptions.vectors.shape[-1], checkpoint.sizes.word
    if found != wanted:
        raise ParleyError(
            f"{words} has vectors of {found} numbers, but {checkpoint_path} was trained with vectors of {wanted}; "
            "use the words.hdf5 of its training."
        )
    if strays := sorted(set(checkpoint.candidate_ids) - set(candidates.label_ids)):
        raise ParleyError(
            f"{checkpoint_path} was trained on label {listed_ids(strays)}, but {descriptions} describes the labels "
            f"{listed_ids(candidates.label_ids)}; use the descriptions.csv that it was trained with, or a longer one."
        )
    if difference := _other_classes(checkpoint_path, checkpoint, candidates):
        logger.warning("%s", difference)
    return LoadedCheckpoint(checkpoint, candidates, about(checkpoint_path, checkpoint))


def _other_classes(checkpoint_path: str | Path, checkpoint: Checkpoint, candidates: Candidates) -> str:
    """Return a sentence if training classes differ from those in the folder of the checkpoint's experiment.

    A checkpoint contains only the label ids of its classes, which are the same in other experiments. The result is
    empty if the checkpoint is not in such a folder.
    """
    folder = Path(*run_folder(checkpoint_path).parts[:-3])
    own = [folder / name for name in ("descriptions.csv", "words.hdf5")]
    if not all(path.is_file() for path in own):
        return ""
    try:
        trained = load_candidates(own[0], own[1], checkpoint.game)
    except ParleyError as error:
        return f"The classes cannot be compared with those of {folder}: {error}"
    ids = sorted(set(checkpoint.candidate_ids) & set(trained.label_ids))
    other = []
    for label, old, new in zip(ids, trained.rows_of(ids), candidates.rows_of(ids), strict=True):
        before, now = trained.descriptions.vectors[old], candidates.descriptions.vectors[new]
        if (name := candidates.labels[new]) != trained.labels[old]:
            other.append(f"label {label} is {name!r}, not {trained.labels[old]!r}")
        elif before.shape != now.shape or not torch.allclose(before, now):
            other.append(f"{name!r} has a different description or different word vectors")
    if not other:
        return ""
    return (
        f"The classes differ from those in {folder}, on which {checkpoint_path} was trained: {listed(other, 1)}. "
        "Unless this is intended, use the files of that folder."
    )


def _trusted(path: str | Path) -> Checkpoint:
    """Load a checkpoint that may come from anywhere, and its run's plug-ins: check its settings and its weights."""
    values = read_values(path)
    run = {"experiment": "any", "run": "any", "seed": values.get("seed"), "k": 1}
    run |= {name: values[name] for name in ("game", "training") if name in values}
    if found := complaints(run, schema_of_run(read_schema(SCHEMA))):
        raise invalid(path, "; ".join(one.removeprefix("Config: ").rstrip(".") for one in found))
    config = run_folder(path) / "config.json"
    edited = edited_since(config, load_plugins_of(config))
    try:
        checkpoint = checkpoint_from_values(values, path)
    except ParleyError as error:
        if not edited:
            raise
        raise ParleyError(
            f"{path} does not fit {' and '.join(edited)}, which was edited since the run was trained; undo the edit, "
            "or train again."
        ) from error
    for agent in ("sender", "receiver"):
        for name, weights in getattr(checkpoint.agents, agent).state_dict().items():
            if not weights.isfinite().all():
                raise ParleyError(
                    f"{path} has weights that are not finite ({agent}.{name}): the run diverged; "
                    "use an earlier checkpoint."
                )
    return checkpoint


def run_folder(checkpoint_path: str | Path) -> Path:
    """Return the run folder of a checkpoint: the folder that contains the checkpoint or its folder `checkpoints/`."""
    folder = Path(checkpoint_path).absolute().parent
    return folder.parent if folder.name == "checkpoints" else folder


def run_config(checkpoint_path: str | Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the `config.json` of a checkpoint's run; empty if there is none, or if it belongs to another seed."""
    path = run_folder(checkpoint_path) / "config.json"
    config = read_json(path) if path.is_file() else {}
    return config if isinstance(config, dict) and config.get("seed") == checkpoint.seed else {}


def about(checkpoint_path: str | Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint's experiment, run and seed. Without a `config.json` of the run, the first two are empty."""
    config = run_config(checkpoint_path, checkpoint)
    names = {name: str(config.get(name, "")) for name in ("experiment", "run")}
    return {**names, "seed": checkpoint.seed}


def run_on_file(loaded: LoadedCheckpoint, features: str | Path, among: str) -> tuple[EvalBatchSpec, Dialogue]:
    """Run a dialogue about every image of a feature file; return images, candidates and dialogues.

    Parameters
    ----------
    loaded
        The checkpoint, as returned by `open_checkpoint`.
    features
        Path of the HDF5 file with the images' features.
    among
        Which classes are candidates, one of `parley.interaction.eval_sets.CANDIDATES`.

    Raises
    ------
    ParleyError
        If the file does not match the checkpoint or the descriptions, or a score is not finite.
    """
    checkpoint, candidates = loaded.checkpoint, loaded.candidates
    part = load_part(features, checkpoint.game)
    _check_shapes(part, features, checkpoint)
    if repeated := repeated_names(features, part.keys):
        logger.warning("%s", repeated)
    own = part.targets.unique().tolist()
    require_descriptions(own, candidates, str(features))
    ids = candidate_ids(among, checkpoint.candidate_ids, own, candidates.label_ids)
    if strays := sorted(set(own) - set(ids)):
        raise ParleyError(
            f"{features} contains images of label {listed_ids(strays)}, which the checkpoint was not trained on; "
            "add `--candidates seen+own` or `own`, or leave these images out."
        )
    spec = make_batch_spec(checkpoint, part, candidates, ids, str(features))
    dialogues = play(checkpoint, spec)
    if not dialogues.scores.isfinite().all():
        raise ParleyError(
            f"On {features} the checkpoint's scores are not all finite: the run diverged; use an earlier checkpoint."
        )
    return spec, dialogues


def _check_shapes(part: Part, features: str | Path, checkpoint: Checkpoint) -> None:
    """Raise `ParleyError` if a file has no images, or its features have other widths than the checkpoint's inputs."""
    if not len(part.targets):
        raise ParleyError(f"{features} contains no images; choose another file.")
    findings = Findings()
    (width, context), wanted = input_widths(part), checkpoint.sizes
    if width != wanted.feature:
        findings.add(
            f"{features} has features of {width} numbers, but the checkpoint was trained on "
            f"features of {wanted.feature}; choose a file made with the same network."
        )
    if part.images.context is not None and context != wanted.context:
        findings.add(
            f"{features} has logits of {context} classes, but the checkpoint was trained on "
            f"logits of {wanted.context}; choose a file made with the same network."
        )
    findings.raise_if_any()


CONTROLS = (
    "shuffle",
    "ignore_receiver",
    "ignore_sender",
    "corrupt_bits",
    "flip_sender",
    "flip_receiver",
    "flip_in_evaluation",
    "stop_rule",
    "accuracy_count",
)
"""Game settings that can be changed after training, because no weight's shape or meaning depends on them."""


def under_control(checkpoint: Checkpoint, settings: Sequence[str], schema: Mapping[str, Any]) -> Checkpoint:
    """Return a copy of a checkpoint with the same weights and some game settings changed.

    Parameters
    ----------
    checkpoint
        The checkpoint to change.
    settings
        The changed settings, as ``key=value`` pairs of the config section `game`, such as ``shuffle=sender``.
    schema
        JSON schema of an experiment's config, used to validate the settings.

    Raises
    ------
    ParleyError
        If a setting is invalid or not one of `CONTROLS`; lists every such setting.
    """
    if strays := [setting for setting in settings if setting.partition("=")[0].strip() not in CONTROLS]:
        raise ParleyError(
            f"--set {', '.join(strays)}: this cannot change for a trained run; you can set {', '.join(CONTROLS)}."
        )
    run = {"experiment": "controls", "run": "controls", "seed": checkpoint.seed, "k": 1}
    run |= {"game": as_mapping(checkpoint.game), "training": as_mapping(checkpoint.training)}
    changed = overridden(run, [f"game.{setting}" for setting in settings], schema)
    game = GameSettings.from_mapping(changed["game"])
    sizes = checkpoint.sizes
    agents = make_agents(game, sizes.feature, sizes.word, [checkpoint.seed], sizes.context)
    for before, now in zip(checkpoint.agents, agents, strict=True):
        now.load_state_dict(before.state_dict())
    return checkpoint._replace(agents=agents, game=game)
