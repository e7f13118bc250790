"""Training one run: a configuration and a seed."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import torch
from torch import Tensor, nn

from parley import evaluation
from parley.checkpoints import Checkpoint, Sizes, save_checkpoint
from parley.errors import ParleyError
from parley.files import write_json, written_aside
from parley.game.agents import Agents, make_agents
from parley.game.draws import permutation, uniforms
from parley.game.exchange import exchange, replay
from parley.game.objective import Losses, losses
from parley.game.payloads import Descriptions, Dialogue, Images
from parley.game.settings import GameSettings, TrainingSettings
from parley.parts import Candidates, Part, load_candidates, load_part, places_of
from parley.progress import Progress
from parley.standardization import Standardizer, fit

OPTIMIZERS = {"RMSprop": torch.optim.RMSprop, "Adam": torch.optim.Adam, "SGD": torch.optim.SGD}


class Lesson(NamedTuple):
    """What a run learns from: standardised parts with targets as places among the candidates."""

    train_images: Images
    train_places: Tensor
    dev_images: Images
    dev_places: Tensor
    descriptions: Descriptions
    candidate_ids: list[int]
    standardizer: Standardizer
    sizes: Sizes


def train_from_files(
    run: Mapping[str, Any], parts: Mapping[str, str], descriptions: str, words: str, folder: str | Path
) -> None:
    """Train a run with one seed and leave its log, checkpoints and `config.json` in its folder.

    Parameters
    ----------
    run
        ``experiment, run, seed, k, game, training``.
    parts
        Paths of the train and dev parts.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    folder
        The run's folder.
    """
    game = GameSettings.from_mapping(run["game"])
    training = TrainingSettings.from_mapping(run["training"])
    lesson = prepare(
        load_part(parts["train"], game),
        load_part(parts["dev"], game),
        load_candidates(descriptions, words, game),
        game,
    )
    train_run(lesson, game, training, run["seed"], run["k"], folder)
    write_json(Path(folder) / "config.json", dict(run))


def prepare(train: Part, dev: Part, candidates: Candidates, game: GameSettings) -> Lesson:
    """Fit the standardisation on the train part and apply it; the candidates are the train part's classes."""
    if not len(train.targets):
        raise ParleyError("The train part holds no image; check the counts of `split` in the config.")
    ids = train.targets.unique().tolist()
    standardizer = fit(train.images, game.standardize)
    width, context_width = evaluation.shape_of(train)
    return Lesson(
        standardizer.apply(train.images),
        places_of(train.targets, ids, "The train part"),
        standardizer.apply(dev.images),
        places_of(dev.targets, ids, "The dev part"),
        candidates.descriptions.take(torch.tensor(ids)),
        ids,
        standardizer,
        Sizes(width, candidates.descriptions.vectors.shape[-1], context_width),
    )


def train_run(
    lesson: Lesson, game: GameSettings, training: TrainingSettings, seed: int, k: int, folder: str | Path
) -> None:
    """Train a run and leave `metrics.jsonl` and `checkpoints/` in its folder.

    Parameters
    ----------
    lesson
        From `prepare`.
    game, training
        Settings.
    seed
        Decides initial weights, order of images and every draw.
    k
        The K of the accuracy@K that is logged.
    folder
        The run's folder.

    Raises
    ------
    ParleyError
        When a loss is no longer finite, or the train part is smaller than a batch.
    """
    folder = Path(folder)
    agents = make_agents(game, lesson.sizes.feature, lesson.sizes.word, seed, lesson.sizes.context)
    optimizers = [_optimizer(network, training) for network in agents]
    with (
        written_aside(folder / "metrics.jsonl") as aside,
        aside.open("w", encoding="utf-8") as log,
        Progress(f"train {folder.parent.name}/{seed}", training.steps, "step") as progress,
    ):
        started = time.monotonic()
        window: list[dict[str, float]] = []
        for step, rows in enumerate(_batches(len(lesson.train_places), training, seed), start=1):
            window.append(_step(agents, optimizers, lesson, rows, game, training, seed, step))
            if step % max(training.dev_every // 10, 1) == 0 or step == training.steps:
                _log(log, "train", step, started, _means(window))
                window = []
            note = ""
            if step % training.dev_every == 0 or step == training.steps:
                note = _check(log, agents, optimizers, lesson, game, training, seed, step, k, started, folder)
            progress.advance(note=note)


def _batches(count: int, training: TrainingSettings, seed: int) -> Iterator[Tensor]:
    """Yield row numbers, a batch a step; which rows a step gets depends on the seed and the step alone."""
    per_epoch = count // training.batch_size
    if per_epoch == 0:
        raise ParleyError(
            f"The train part has {count} images, fewer than a batch of {training.batch_size}; "
            "lower training.batch_size or raise the counts of `split`."
        )
    for step in range(training.steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            order = permutation(seed, "order", epoch, count)
        yield order[place * training.batch_size :][: training.batch_size]


def _optimizer(network: nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    kind: Any = OPTIMIZERS[training.optimizer]
    optimizer: torch.optim.Optimizer = kind(network.parameters(), lr=training.learning_rate)
    return optimizer


def _step(
    agents: Agents,
    optimizers: list[torch.optim.Optimizer],
    lesson: Lesson,
    rows: Tensor,
    game: GameSettings,
    training: TrainingSettings,
    seed: int,
    step: int,
) -> dict[str, float]:
    images, places = lesson.train_images.take(rows), lesson.train_places[rows]
    shape = (game.max_exchanges, len(rows), 2 * game.message_bits + 1)
    drawn = uniforms(seed, "bits", step, shape)
    dialogue = exchange(agents, images, lesson.descriptions, game, drawn, until_all_stop=True)
    replayed = replay(agents, images, lesson.descriptions, dialogue, game)
    found = losses(agents, replayed, dialogue, places, game, training)
    total = found.sender + found.receiver + found.sender_baseline + found.receiver_baseline
    if not torch.isfinite(total):
        raise ParleyError(
            f"The loss of seed {seed} is no longer finite at step {step}; "
            "lower training.learning_rate or set game.standardize to train."
        )
    total.backward()
    for network, optimizer in zip(agents, optimizers, strict=True):
        nn.utils.clip_grad_norm_(network.parameters(), training.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()
    return _summary(found, dialogue, places)


def _summary(found: Losses, dialogue: Dialogue, places: Tensor) -> dict[str, float]:
    return {
        "loss_sender": found.sender.item(),
        "loss_receiver": found.receiver.item(),
        "loss_sender_baseline": found.sender_baseline.item(),
        "loss_receiver_baseline": found.receiver_baseline.item(),
        "nll": found.nll.mean().item(),
        "reward": found.reward.mean().item(),
        "accuracy@1": (evaluation.ranks(dialogue.final_scores, places) <= 1).float().mean().item(),
        "length": dialogue.active.sum(0).mean().item(),
    }


def _means(window: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in window) / len(window) for name in window[0]}


def _log(log: TextIO, kind: str, step: int, started: float, values: dict[str, Any]) -> None:
    row = {"kind": kind, "step": step, "seconds": round(time.monotonic() - started, 3), **values}
    log.write(json.dumps(row, allow_nan=False) + "\n")
    log.flush()


def _check(
    log: TextIO,
    agents: Agents,
    optimizers: list[torch.optim.Optimizer],
    lesson: Lesson,
    game: GameSettings,
    training: TrainingSettings,
    seed: int,
    step: int,
    k: int,
    started: float,
    folder: Path,
) -> str:
    """Evaluate on the dev part, log it, keep a checkpoint, and return a note for the progress line."""
    played = evaluation.play(
        agents, lesson.dev_images, lesson.dev_places, lesson.descriptions, game, training.dev_batch_size
    )
    result = evaluation.score(played, k)
    _log(log, "dev", step, started, result)
    if step >= min(training.first_checkpoint, training.steps):
        moment = Checkpoint(
            agents,
            lesson.standardizer,
            game,
            training,
            lesson.sizes,
            lesson.candidate_ids,
            seed,
            step,
            [optimizer.state_dict() for optimizer in optimizers],
        )
        save_checkpoint(folder / "checkpoints" / f"{step:08d}.pt", moment)
    return f"dev accuracy@1 {result['accuracy@1']:.3f}, length {result['length']:.1f}"
