"""Evaluate a checkpoint on every split."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.config.memory_budget import require_memory
from parley.core.errors import ParleyError
from parley.core.failures import FailedRunError
from parley.core.files import write_json
from parley.game.types import Descriptions
from parley.interaction.eval_sets import UNSEEN_PARTS
from parley.interaction.run import EvalSet, RolloutInputs, SplitRollout, eval_sets, evaluate_batches, rollout_split
from parley.interaction.split_data import (
    Candidates,
    Part,
    load_candidates,
    load_part,
    random_subset,
    require_descriptions,
    target_index_of,
)
from parley.training.checkpoint import Checkpoint, load_checkpoint

logger = logging.getLogger(__name__)


class EvalBatchSpec(NamedTuple):
    """The images of a split and the K candidate classes to choose among."""

    part: Part
    places: Tensor
    """``[N]`` int64: index of the target among the candidates."""
    candidate_ids: list[int]
    labels: list[str]
    """Names of the candidates, in the order of the scores."""
    descriptions: Descriptions
    """Descriptions of the candidates, standardised."""


class EvalRollout(NamedTuple):
    """The dialogues of a run on one evaluation set."""

    question: EvalSet
    played: SplitRollout
    keys: list[str]
    labels: list[str]


def evaluate(
    checkpoint_path: str | Path,
    parts: Mapping[str, str],
    descriptions: str,
    words: str,
    ks: tuple[int, int],
    about: Mapping[str, Any],
    out: str | Path,
) -> None:
    """Evaluate a run's selected checkpoint on every split and write `evaluation.json`.

    Parameters
    ----------
    checkpoint_path
        ``best.pt``.
    parts
        Path of each split's HDF5 file.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    ks
        K of accuracy@K: with seen candidates only, and with unseen candidates too.
    about
        Entries to add to the file: experiment, run, seed.
    out
        Path of the file to write.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    results = {
        question.name: _examined(checkpoint, question, spec, ks[question.part in UNSEEN_PARTS])
        for question, spec in iter_eval_sets(checkpoint, parts, descriptions, words)
    }
    for name, result in results.items():
        logger.info(
            "%s: accuracy@1 %.3g (chance %.3g), length %.2f exchanges",
            name,
            result["accuracy@1"],
            result["chance@1"],
            result["length"],
        )
    write_json(out, {**about, "k": ks[0], "step": checkpoint.step, "parts": results})


def _examined(checkpoint: Checkpoint, question: EvalSet, spec: EvalBatchSpec, k: int) -> dict[str, Any]:
    """Return the metrics of an evaluation set."""
    result = evaluate_batches(_setup(checkpoint, spec), k)[0].result
    if result is None:
        raise _not_finite(checkpoint, question)
    return result


def _not_finite(checkpoint: Checkpoint, question: EvalSet) -> FailedRunError:
    return FailedRunError(
        f"At step {checkpoint.step} what seed {checkpoint.seed} says on the part {question.name} is not all finite "
        "numbers; lower training.learning_rate, or see how far its features are from the train part's."
    )


def iter_rollouts(
    checkpoint: Checkpoint, parts: Mapping[str, str], descriptions: str, words: str, most: int | None = None
) -> Iterator[EvalRollout]:
    """Yield the dialogues of each evaluation set, with one split in memory at a time and at most `most` images of each.

    Raises
    ------
    FailedRunError
        If an output is not finite: the run diverged or its numbers overflow on this split.
    """
    for question, spec in iter_eval_sets(checkpoint, parts, descriptions, words, most):
        # Not bound to a local, so it can be freed before the next split is loaded.
        yield _rollout(checkpoint, question, spec)


def _rollout(checkpoint: Checkpoint, question: EvalSet, spec: EvalBatchSpec) -> EvalRollout:
    require_memory(*extent(checkpoint, spec), question.name)
    played = play(checkpoint, spec)
    if not played.dialogue.all_finite:
        raise _not_finite(checkpoint, question)
    return EvalRollout(question, played, spec.part.keys, spec.labels)


def iter_eval_sets(
    checkpoint: Checkpoint, parts: Mapping[str, str], descriptions: str, words: str, most: int | None = None
) -> Iterator[tuple[EvalSet, EvalBatchSpec]]:
    """Yield each question together with its images and candidates, one split in memory at a time.

    At most `most` images of a split are used, chosen at random; None for all.
    """
    candidates = load_candidates(descriptions, words, checkpoint.game)
    unseen = {
        part: _unseen_labels(part, load_part(parts[part], checkpoint.game), checkpoint.candidate_ids, candidates)
        for part in UNSEEN_PARTS
        if part in parts
    }
    loaded: tuple[str, Part] | None = None
    for question in eval_sets(checkpoint.candidate_ids, unseen):
        if question.part not in parts:
            continue
        if loaded is None or loaded[0] != question.part:
            loaded = (question.part, load_part(parts[question.part], checkpoint.game))
        yield (
            question,
            make_eval_set(
                checkpoint,
                random_subset(loaded[1], most),
                candidates,
                question.candidate_ids,
                f"The {question.part} part",
            ),
        )


def _unseen_labels(name: str, part: Part, seen: Sequence[int], candidates: Candidates) -> list[int]:
    labels: list[int] = part.targets.unique().tolist()
    require_descriptions(labels, candidates, f"The {name} part")
    if both := sorted(set(labels) & set(seen)):
        raise ParleyError(
            f"The {name} part holds images of label {', '.join(map(str, both))}, which the run was trained on; "
            "a part of unseen classes can have none of the train part's."
        )
    return labels


def make_eval_set(
    checkpoint: Checkpoint, part: Part, candidates: Candidates, ids: Sequence[int], where: str
) -> EvalBatchSpec:
    """Return a split with the candidates of the given label ids; `where` names the split in errors."""
    return EvalBatchSpec(
        part,
        target_index_of(part.targets, ids, where),
        list(ids),
        [candidates.labels[label] for label in ids],
        checkpoint.standardizer.read(candidates.descriptions.take(torch.tensor(ids))),
    )


def extent(checkpoint: Checkpoint, spec: EvalBatchSpec) -> tuple[int, int, int]:
    """Return the images, exchanges and candidates of what is spec."""
    return len(spec.places), checkpoint.game.max_exchanges, len(spec.labels)


def play(checkpoint: Checkpoint, spec: EvalBatchSpec) -> SplitRollout:
    """Play the dialogues of a checkpoint's agents about every image of an evaluation set."""
    return rollout_split(_setup(checkpoint, spec))


def _setup(checkpoint: Checkpoint, spec: EvalBatchSpec) -> RolloutInputs:
    return RolloutInputs(
        checkpoint.agents,
        checkpoint.standardizer.apply(spec.part.images),
        spec.places,
        spec.descriptions,
        checkpoint.game,
        checkpoint.training.dev_batch_size,
    )
