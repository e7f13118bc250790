"""A trained run at work: play its checkpoint on every part, count what comes out."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.config.memory_budget import refuse_beyond_memory
from parley.core.errors import ParleyError
from parley.core.failures import FailedRunError
from parley.core.files import write_json
from parley.game.types import Descriptions
from parley.interaction import run as evaluation
from parley.interaction.eval_sets import UNSEEN_PARTS
from parley.interaction.split_data import (
    Candidates,
    Part,
    by_lot,
    load_candidates,
    load_part,
    places_of,
    refuse_undescribed,
)
from parley.training.checkpoint import Checkpoint, load_checkpoint

logger = logging.getLogger(__name__)


class Asked(NamedTuple):
    """The images of a part, and the K candidates among which they are to be named."""

    part: Part
    places: Tensor
    """``[N]`` int64: the target's place among the candidates."""
    candidate_ids: list[int]
    labels: list[str]
    """Names of the candidates, in the order of the scores."""
    descriptions: Descriptions
    """Of the candidates."""


class Answer(NamedTuple):
    """What a run answered to one question."""

    question: evaluation.Question
    played: evaluation.Played
    keys: list[str]
    labels: list[str]


def evaluate(
    checkpoint: str | Path,
    parts: Mapping[str, str],
    descriptions: str,
    words: str,
    ks: tuple[int, int],
    about: Mapping[str, Any],
    out: str | Path,
) -> None:
    """Play a run's chosen checkpoint on every part and write `evaluation.json`.

    Parameters
    ----------
    checkpoint
        ``best.pt``.
    parts
        Paths of the parts.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    ks
        The K of accuracy@K among seen classes, and where unseen ones are candidates too.
    about
        Entries of the file: experiment, run, seed.
    out
        The file.
    """
    moment = load_checkpoint(checkpoint)
    results = {
        question.name: _examined(moment, question, asked, ks[question.part in UNSEEN_PARTS])
        for question, asked in asked_of(moment, parts, descriptions, words)
    }
    for name, result in results.items():
        logger.info(
            "%s: accuracy@1 %.3g (chance %.3g), length %.2f exchanges",
            name,
            result["accuracy@1"],
            result["chance@1"],
            result["length"],
        )
    write_json(out, {**about, "k": ks[0], "step": moment.step, "parts": results})


def _examined(moment: Checkpoint, question: evaluation.Question, asked: Asked, k: int) -> dict[str, Any]:
    """Return what is counted of a question."""
    result = evaluation.examine(_setup(moment, asked), k)[0].result
    if result is None:
        raise _not_finite(moment, question)
    return result


def _not_finite(moment: Checkpoint, question: evaluation.Question) -> FailedRunError:
    return FailedRunError(
        f"At step {moment.step} what seed {moment.seed} says on the part {question.name} is not all finite "
        "numbers; lower training.learning_rate, or see how far its features are from the train part's."
    )


def answers(
    moment: Checkpoint, parts: Mapping[str, str], descriptions: str, words: str, most: int | None = None
) -> Iterator[Answer]:
    """Play each question that the parts allow, one part in memory at a time; about at most so many images of each.

    Raises
    ------
    FailedRunError
        When what is said on a part is not all finite: numbers that overflow there tell of the run, not of a mistake.
    """
    for question, asked in asked_of(moment, parts, descriptions, words, most):
        # Held by no name here: else it would still be there while the next part is played.
        yield _answered(moment, question, asked)


def _answered(moment: Checkpoint, question: evaluation.Question, asked: Asked) -> Answer:
    refuse_beyond_memory(*extent(moment, asked), question.name)
    played = play(moment, asked)
    if not played.dialogue.all_finite:
        raise _not_finite(moment, question)
    return Answer(question, played, asked.part.keys, asked.labels)


def asked_of(
    moment: Checkpoint, parts: Mapping[str, str], descriptions: str, words: str, most: int | None = None
) -> Iterator[tuple[evaluation.Question, Asked]]:
    """Yield each question that the parts allow with what it asks, one part in memory at a time.

    With `most` it is asked about at most so many images of a part (`parley.interaction.split_data.by_lot`).
    """
    candidates = load_candidates(descriptions, words, moment.game)
    unseen = {
        part: _unseen_labels(part, load_part(parts[part], moment.game), moment.candidate_ids, candidates)
        for part in UNSEEN_PARTS
        if part in parts
    }
    loaded: tuple[str, Part] | None = None
    for question in evaluation.questions(moment.candidate_ids, unseen):
        if question.part not in parts:
            continue
        if loaded is None or loaded[0] != question.part:
            loaded = (question.part, load_part(parts[question.part], moment.game))
        yield (
            question,
            ask(moment, by_lot(loaded[1], most), candidates, question.candidate_ids, f"The {question.part} part"),
        )


def _unseen_labels(name: str, part: Part, seen: Sequence[int], candidates: Candidates) -> list[int]:
    labels: list[int] = part.targets.unique().tolist()
    refuse_undescribed(labels, candidates, f"The {name} part")
    if both := sorted(set(labels) & set(seen)):
        raise ParleyError(
            f"The {name} part holds images of label {', '.join(map(str, both))}, which the run was trained on; "
            "a part of unseen classes can have none of the train part's."
        )
    return labels


def ask(moment: Checkpoint, part: Part, candidates: Candidates, ids: Sequence[int], where: str) -> Asked:
    """Return a part as it is asked among the candidates of the given label ids; `where` names it in errors."""
    return Asked(
        part,
        places_of(part.targets, ids, where),
        list(ids),
        [candidates.labels[label] for label in ids],
        moment.standardizer.read(candidates.descriptions.take(torch.tensor(ids))),
    )


def extent(moment: Checkpoint, asked: Asked) -> tuple[int, int, int]:
    """Return the images, exchanges and candidates of what is asked."""
    return len(asked.places), moment.game.max_exchanges, len(asked.labels)


def play(moment: Checkpoint, asked: Asked) -> evaluation.Played:
    """Let a checkpoint's agents talk about every image that is asked about."""
    return evaluation.play(_setup(moment, asked))


def _setup(moment: Checkpoint, asked: Asked) -> evaluation.Setup:
    return evaluation.Setup(
        moment.agents,
        moment.standardizer.apply(asked.part.images),
        asked.places,
        asked.descriptions,
        moment.game,
        moment.training.dev_batch_size,
    )
