"""A trained run at work: play its checkpoint on every part, count what comes out."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from parley import evaluation
from parley.checkpoints import Checkpoint, load_checkpoint
from parley.errors import ParleyError
from parley.files import write_json
from parley.parts import Candidates, Part, load_candidates, load_part, places_of, refuse_undescribed

logger = logging.getLogger(__name__)
UNSEEN_PARTS = ("ood", "transfer")


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
        answer.question.name: evaluation.score(
            answer.played,
            ks[answer.question.part in UNSEEN_PARTS],
            evaluation.nominal_batch(moment.game, moment.training.dev_batch_size),
        )
        for answer in answers(moment, parts, descriptions, words)
    }
    for name, result in results.items():
        logger.info(
            "%s: accuracy@1 %.3f (chance %.3f), length %.2f exchanges",
            name,
            result["accuracy@1"],
            result["chance@1"],
            result["length"],
        )
    write_json(out, {**about, "k": ks[0], "step": moment.step, "parts": results})


def answers(moment: Checkpoint, parts: Mapping[str, str], descriptions: str, words: str) -> Iterator[Answer]:
    """Play each question that the parts allow, one part in memory at a time."""
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
        yield _answer(moment, question, loaded[1], candidates)


def _unseen_labels(name: str, part: Part, seen: Sequence[int], candidates: Candidates) -> list[int]:
    labels: list[int] = part.targets.unique().tolist()
    refuse_undescribed(labels, candidates, f"The {name} part")
    if both := sorted(set(labels) & set(seen)):
        raise ParleyError(
            f"The {name} part holds images of label {', '.join(map(str, both))}, which the run was trained on; "
            "a part of unseen classes can have none of the train part's."
        )
    return labels


def _answer(moment: Checkpoint, question: evaluation.Question, part: Part, candidates: Candidates) -> Answer:
    ids = question.candidate_ids
    played = evaluation.play(
        moment.agents,
        moment.standardizer.apply(part.images),
        places_of(part.targets, ids, f"The {question.part} part"),
        moment.standardizer.read(candidates.descriptions.take(torch.tensor(ids))),
        moment.game,
        moment.training.dev_batch_size,
    )
    return Answer(question, played, part.keys, _names(candidates, ids))


def _names(candidates: Candidates, ids: Sequence[int]) -> list[str]:
    return [candidates.labels[label] for label in ids]
