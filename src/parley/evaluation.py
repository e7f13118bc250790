"""Playing a trained run on a part of the data, and counting what came out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.game.agents import Agents
from parley.game.exchange import exchange
from parley.game.payloads import Descriptions, Dialogue, Images
from parley.game.settings import GameSettings
from parley.metrics.ranking import accuracy, chance, nll_nats
from parley.parts import Part


class Question(NamedTuple):
    """A part, and the candidates among which its images are to be named."""

    name: str
    """The part's name, with ``_alone`` where unseen classes are the only candidates."""
    part: str
    candidate_ids: list[int]


class Played(NamedTuple):
    """Dialogues about all images of a part."""

    dialogue: Dialogue
    places: Tensor
    """``[N]`` int64: the target's place among the candidates."""


def questions(seen: Sequence[int], unseen: Mapping[str, Sequence[int]]) -> list[Question]:
    """Return what a run is asked, part by part.

    Parameters
    ----------
    seen
        Label ids of the in-domain classes; they stay candidates everywhere, as in the paper.
    unseen
        Label ids of the classes of ``ood`` and ``transfer``, where there are any. These parts are
        also asked with the unseen classes alone.
    """
    asked = [Question(part, part, list(seen)) for part in ("train", "dev", "test")]
    for part, labels in unseen.items():
        if labels:
            asked.append(Question(part, part, [*seen, *labels]))
            asked.append(Question(f"{part}_alone", part, list(labels)))
    return asked


def play(
    agents: Agents,
    images: Images,
    places: Tensor,
    descriptions: Descriptions,
    game: GameSettings,
    batch_size: int,
) -> Played:
    """Let the agents talk about every image, with rounded bits and all T exchanges.

    Parameters
    ----------
    agents
        The four networks.
    images
        N images, standardised.
    places
        ``[N]``: the target's place among the candidates.
    descriptions
        Of the candidates, in their order.
    game
        Settings.
    batch_size
        Images at once; the result does not depend on it.
    """
    agents.train(False)
    pieces = [exchange(agents, images.take(rows), descriptions, game) for rows in batches(len(places), batch_size)]
    agents.train(True)
    joined = Dialogue(*(torch.cat(column, 1) for column in zip(*pieces, strict=True)))
    return Played(joined, places)


def batches(count: int, batch_size: int) -> Iterator[Tensor]:
    """Yield the row numbers of consecutive batches; the last may be short."""
    yield from torch.arange(count).split(batch_size)


def ranks(scores: Tensor, places: Tensor) -> Tensor:
    """Return each target's rank ``[N]``, 1 = best, from scores ``[N, K]``.

    A target that ties with others stands behind them: constant scores must not look right.
    """
    own = scores.gather(1, places[:, None])
    return (scores >= own).sum(1)


def score(played: Played, k: int) -> dict[str, Any]:
    """Count what came out of a part.

    Parameters
    ----------
    played
        The dialogues.
    k
        The K of accuracy@K; where there are fewer candidates, their number.

    Returns
    -------
    dict
        ``n``, ``candidates``, ``k``, accuracies with their chance, ``nll`` in nats, ``length`` in
        exchanges, and ``length_original``: go-on bits, as the 2017 code counted.
    """
    dialogue, places = played
    final, targets = dialogue.final_scores.numpy(), places.numpy()
    candidates = final.shape[1]
    k = min(k, candidates)
    return {
        "n": len(places),
        "candidates": candidates,
        "k": k,
        "accuracy@1": accuracy(final, targets),
        "chance@1": chance(1, candidates),
        "accuracy@k": accuracy(final, targets, k),
        "chance@k": chance(k, candidates),
        "nll": float(nll_nats(final, targets).mean()),
        "length": dialogue.active.sum(0).double().mean().item(),
        "length_original": (dialogue.active * dialogue.go_on).sum(0).double().mean().item(),
    }


def shape_of(part: Part) -> tuple[int, int]:
    """Return the widths of features and context (1000, as ImageNet's logits, where there is none)."""
    context = part.images.context
    return part.images.features.shape[-1], 1000 if context is None else context.shape[-1]
