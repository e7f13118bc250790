"""Evaluate a run's selected checkpoint on every evaluation set. Each set is a split with its candidate classes."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.config.memory_budget import require_memory
from parley.core.errors import ParleyError
from parley.core.failures import FailedRunError
from parley.core.files import write_json
from parley.game.types import Descriptions, Dialogue
from parley.interaction.eval_sets import UNSEEN_PARTS, EvalSet, eval_sets
from parley.interaction.run import RolloutInputs, evaluate_batches, rollout_split
from parley.interaction.split_data import (
    Candidates,
    Part,
    dev_candidate_ids,
    load_candidates,
    load_part,
    random_subset,
    require_descriptions,
    target_index_of,
)
from parley.training.checkpoint import Checkpoint, load_checkpoint

logger = logging.getLogger(__name__)


class EvalInputs(NamedTuple):
    """Paths of a run's selected checkpoint and of the files to evaluate it on."""

    checkpoint_path: str | Path
    """Path of ``best.pt``."""
    parts: Mapping[str, str]
    """Path of the HDF5 feature file of each split."""
    descriptions: str
    """Path of ``descriptions.csv``."""
    words: str
    """Path of ``words.hdf5``."""
    about: Mapping[str, Any]
    """Experiment, run and seed, to write to the outputs."""
    most: int | None = None
    """Maximum number of images per split. Larger splits are sampled at random. None to use all images."""


class EvalBatchSpec(NamedTuple):
    """The N images of a split and the K candidate classes that the Receiver chooses from."""

    part: Part
    target_index: Tensor
    """``[N]`` int64: index of each image's class among the candidates."""
    candidate_ids: list[int]
    labels: list[str]
    """Names of the candidates, in the order of the scores."""
    descriptions: Descriptions
    """Descriptions of the candidates, standardised."""


def evaluate(inputs: EvalInputs, ks: tuple[int, int], out: str | Path) -> None:
    """Evaluate a run's selected checkpoint on every split and write `evaluation.json`.

    Parameters
    ----------
    inputs
        Paths of the checkpoint and of the files to evaluate it on.
    ks
        K of accuracy@K for splits of training classes, and K for splits of unseen classes.
    out
        Path of the file to write.
    """
    checkpoint = load_checkpoint(inputs.checkpoint_path)
    results = {}
    for eval_set, spec in iter_eval_sets(checkpoint, inputs):
        k = ks[eval_set.part in UNSEEN_PARTS]
        result = evaluate_batches(rollout_inputs(checkpoint, spec), k)[0].result
        if result is None:
            raise _not_finite(checkpoint, eval_set)
        results[eval_set.name] = result
    for name, result in results.items():
        logger.info(
            "%s: accuracy@1 %.3g (chance %.3g), length %.2f exchanges",
            name,
            result["accuracy@1"],
            result["chance@1"],
            result["length"],
        )
    write_json(out, {**inputs.about, "k": ks[0], "step": checkpoint.step, "parts": results})


def _not_finite(checkpoint: Checkpoint, eval_set: EvalSet) -> FailedRunError:
    return FailedRunError(
        f"At step {checkpoint.step}, outputs of seed {checkpoint.seed} on the split {eval_set.name} are not finite; "
        "lower training.learning_rate, or check how far the split's features are from the train split's."
    )


def iter_rollouts(checkpoint: Checkpoint, inputs: EvalInputs) -> Iterator[tuple[EvalSet, EvalBatchSpec, Dialogue]]:
    """Yield the dialogues of each evaluation set. At most two splits are in memory, as in `iter_eval_sets`.

    Raises
    ------
    FailedRunError
        If an output of the agents is not finite: the run diverged, or values overflow on this split.
    """
    for eval_set, spec in iter_eval_sets(checkpoint, inputs):
        # The dialogues are not assigned to a variable, so that they can be freed before the next split is loaded.
        yield eval_set, spec, _finite_dialogues(checkpoint, eval_set, spec)


def _finite_dialogues(checkpoint: Checkpoint, eval_set: EvalSet, spec: EvalBatchSpec) -> Dialogue:
    require_memory(len(spec.target_index), checkpoint.game.max_exchanges, len(spec.labels), eval_set.name)
    dialogues = play(checkpoint, spec)
    if not dialogues.all_finite:
        raise _not_finite(checkpoint, eval_set)
    return dialogues


def iter_eval_sets(checkpoint: Checkpoint, inputs: EvalInputs) -> Iterator[tuple[EvalSet, EvalBatchSpec]]:
    """Yield each evaluation set with its images and candidates.

    At most two splits are in memory: while the next split is loaded, the previous one is still referenced.
    """
    game, seen, parts = checkpoint.game, checkpoint.candidate_ids, inputs.parts
    candidates = load_candidates(inputs.descriptions, inputs.words, game)
    require_descriptions(seen, candidates, "The train split")
    unseen = {
        part: _unseen_labels(part, load_part(parts[part], game), seen, candidates)
        for part in UNSEEN_PARTS
        if part in parts
    }
    for name, same_split in groupby(eval_sets(seen, unseen), attrgetter("part")):
        if name not in parts:
            continue
        part, among = load_part(parts[name], game), checkpoint.training.dev_candidates
        on_dev = dev_candidate_ids(among, seen, part, candidates) if name == "dev" else None
        part = random_subset(part, inputs.most)
        for eval_set in same_split:
            ids = on_dev or eval_set.candidate_ids
            yield eval_set, make_batch_spec(checkpoint, part, candidates, ids, f"The {name} split")


def _unseen_labels(name: str, part: Part, seen: Sequence[int], candidates: Candidates) -> list[int]:
    """Return the label ids of a split of unseen classes; raise `ParleyError` if any is a training class."""
    labels: list[int] = part.targets.unique().tolist()
    require_descriptions(labels, candidates, f"The {name} split")
    if both := sorted(set(labels) & set(seen)):
        raise ParleyError(
            f"The {name} split contains images of label {', '.join(map(str, both))}, which the run was trained on; "
            "this split must contain only classes that are not in the train split."
        )
    return labels


def make_batch_spec(
    checkpoint: Checkpoint, part: Part, candidates: Candidates, ids: Sequence[int], where: str
) -> EvalBatchSpec:
    """Combine a split with the classes that the Receiver chooses among, given by label id.

    `where` names the split in error messages.
    """
    rows = candidates.rows_of(ids)
    return EvalBatchSpec(
        part,
        target_index_of(part.targets, ids, where),
        list(ids),
        [candidates.labels[row] for row in rows],
        checkpoint.standardizer.read(candidates.descriptions.take(torch.tensor(rows))),
    )


def play(checkpoint: Checkpoint, spec: EvalBatchSpec) -> Dialogue:
    """Run a dialogue of a checkpoint's agents about every image of an evaluation set, and return the dialogues."""
    return rollout_split(rollout_inputs(checkpoint, spec)).of(0)


def rollout_inputs(checkpoint: Checkpoint, spec: EvalBatchSpec) -> RolloutInputs:
    """Return the inputs to run dialogues: a checkpoint's agents, and the standardised images and candidates."""
    return RolloutInputs(
        checkpoint.agents,
        checkpoint.standardizer.apply(spec.part.images),
        spec.target_index,
        spec.descriptions,
        checkpoint.game,
        checkpoint.training.dev_batch_size,
    )
