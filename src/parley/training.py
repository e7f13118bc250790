"""Training one run: a configuration and a seed."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from parley import evaluation
from parley.checkpoints import Checkpoint, Sizes
from parley.errors import ParleyError
from parley.files import digest_of, sha256_of, write_json
from parley.game.agents import make_agents
from parley.game.draws import permutation, uniforms
from parley.game.exchange import exchange, replay
from parley.game.objective import Losses, losses
from parley.game.payloads import Descriptions, Dialogue, Images
from parley.game.settings import GameSettings, TrainingSettings
from parley.parts import Candidates, Part, load_candidates, load_part, places_of, refuse_undescribed
from parley.progress import Progress
from parley.standardization import Standardizer, fit
from parley.unfinished import Saved, Unfinished, asked_to_stop

LINES_PER_DEV = 10
"""Lines of train means between two dev evaluations."""
SAVED_EVERY_S = 30.0
"""Longest time that a kill can cost, but for the step under way, in seconds."""
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
    run: Mapping[str, Any], parts: Mapping[str, str], descriptions: str, words: str, folder: str | Path, code: str = ""
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
        The run's folder. A run that was interrupted there goes on where it was.
    code
        Digest of the code; a run that was interrupted under another starts again.
    """
    game = GameSettings.from_mapping(run["game"])
    training = TrainingSettings.from_mapping(run["training"])
    lesson = prepare(
        load_part(parts["train"], game),
        load_part(parts["dev"], game),
        load_candidates(descriptions, words, game),
        game,
        run["k"],
    )
    inputs = [sha256_of(path) for path in (parts["train"], parts["dev"], descriptions, words)]
    identity = digest_of([dict(run), inputs, code])
    train_run(lesson, game, training, run["seed"], run["k"], folder, identity)
    write_json(Path(folder) / "config.json", dict(run))


def prepare(train: Part, dev: Part, candidates: Candidates, game: GameSettings, k: int = 1) -> Lesson:
    """Fit the standardisation on the train part and apply it; the candidates are the train part's classes.

    Parameters
    ----------
    train, dev
        The parts.
    candidates
        Every described class.
    game
        Settings.
    k
        The K of accuracy@K, which must leave something to be wrong about.

    Raises
    ------
    ParleyError
        When the parts and the descriptions do not fit together.
    """
    if not len(train.targets):
        raise ParleyError("The train part holds no image; check the counts of `split` in the config.")
    ids = train.targets.unique().tolist()
    refuse_undescribed(ids, candidates, "The train part")
    if k > len(ids):
        raise ParleyError(
            f"evaluation.k is {k}, but the train part has {len(ids)} classes; set it to {len(ids)} or less."
        )
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
    lesson: Lesson,
    game: GameSettings,
    training: TrainingSettings,
    seed: int,
    k: int,
    folder: str | Path,
    identity: str = "",
) -> None:
    """Train a run and leave `metrics.jsonl` and `checkpoints/` in its folder.

    What it needs to go on is saved at every dev evaluation, every half minute, and on SIGTERM; a run that
    was interrupted goes on from there, and comes to what it would have come to undisturbed, bit for bit.

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
    identity
        Tells settings, inputs and code; what was interrupted under another does not count.

    Raises
    ------
    ParleyError
        When a loss is no longer finite, the train part is smaller than a batch, or SIGTERM came.
    """
    folder = Path(folder)
    trainer = Trainer(lesson, game, training, seed)
    unfinished = Unfinished(folder, identity)
    with Progress(f"train {folder.parent.name}/{seed}", training.steps, "step") as progress, asked_to_stop() as stop:
        _teach(trainer, k, unfinished, progress, stop)
    unfinished.finish()


def _teach(trainer: "Trainer", k: int, unfinished: Unfinished, progress: Progress, stop: Callable[[], bool]) -> None:
    """Take the steps that are left, and log, evaluate and save on the way."""
    training = trainer.training
    saved = unfinished.load()
    done = trainer.go_back_to(saved.moment) if saved is not None else 0
    progress.advance(done)
    window, kept = (list(saved.window), list(saved.kept)) if saved is not None else ([], [])
    with Log(unfinished.log, saved) as log:
        saved_at = time.monotonic()
        for step, rows in enumerate(_batches(len(trainer.lesson.train_places), training, trainer.seed, done), done + 1):
            window.append(trainer.learn(step, rows))
            last = step == training.steps
            if last or step % max(training.dev_every // LINES_PER_DEV, 1) == 0:
                log.write("train", step, _means(window))
                window = []
            note = ""
            if examined := last or step % training.dev_every == 0:
                result = trainer.examine(k)
                log.write("dev", step, result)
                note = f"dev accuracy@1 {result['accuracy@1']:.3f}, length {result['length']:.1f}"
                if step >= min(training.first_checkpoint, training.steps):
                    unfinished.keep(trainer.moment(step))
                    kept.append(step)
            progress.advance(note=note)
            asked = stop()
            if asked or examined or time.monotonic() - saved_at > SAVED_EVERY_S:
                unfinished.save(Saved(trainer.moment(step), log.lines, window, kept, log.seconds))
                saved_at = time.monotonic()
            if asked and not last:
                raise ParleyError(
                    f"Training of seed {trainer.seed} was asked to stop (SIGTERM) and is saved at step {step} of "
                    f"{training.steps}; run again, and it goes on from there."
                )


class Trainer:
    """The four networks of a run with their optimisers.

    Parameters
    ----------
    lesson
        What they learn from.
    game, training
        Settings.
    seed
        The run's seed.
    """

    def __init__(self, lesson: Lesson, game: GameSettings, training: TrainingSettings, seed: int) -> None:
        self.lesson, self.game, self.training, self.seed = lesson, game, training, seed
        self.agents = make_agents(game, lesson.sizes.feature, lesson.sizes.word, seed, lesson.sizes.context)
        self.optimizers = [_optimizer(network, training) for network in self.agents]

    def go_back_to(self, moment: Checkpoint) -> int:
        """Take over what a checkpoint of this run holds, and return its step."""
        for network, before in zip(self.agents, moment.agents, strict=True):
            network.load_state_dict(before.state_dict())
        for optimizer, state in zip(self.optimizers, moment.optimizers, strict=True):
            optimizer.load_state_dict(state)
        return moment.step

    def learn(self, step: int, rows: Tensor) -> dict[str, float]:
        """Learn from one batch, the given rows of the train part, and return its means."""
        lesson, game = self.lesson, self.game
        images, places = lesson.train_images.take(rows), lesson.train_places[rows]
        drawn = uniforms(self.seed, "bits", step, (game.max_exchanges, len(rows), 2 * game.message_bits + 1))
        dialogue = exchange(self.agents, images, lesson.descriptions, game, drawn, until_all_stop=True)
        replayed = replay(self.agents, images, lesson.descriptions, dialogue, game)
        found = losses(self.agents, replayed, dialogue, places, game, self.training)
        # No network's loss reaches another's parameters, so one pass backward serves all four.
        total = found.sender + found.receiver + found.sender_baseline + found.receiver_baseline
        if not torch.isfinite(total):
            raise ParleyError(
                f"The loss of seed {self.seed} is no longer finite at step {step}; "
                "lower training.learning_rate or set game.standardize to train."
            )
        total.backward()
        for network, optimizer in zip(self.agents, self.optimizers, strict=True):
            nn.utils.clip_grad_norm_(network.parameters(), self.training.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
        return _summary(found, dialogue, places)

    def examine(self, k: int) -> dict[str, Any]:
        """Play the dev part and return what `evaluation.score` counts."""
        lesson = self.lesson
        played = evaluation.play(
            self.agents,
            lesson.dev_images,
            lesson.dev_places,
            lesson.descriptions,
            self.game,
            self.training.dev_batch_size,
        )
        return evaluation.score(played, k)

    def moment(self, step: int) -> Checkpoint:
        """Return all that a checkpoint keeps."""
        return Checkpoint(
            self.agents,
            self.lesson.standardizer,
            self.game,
            self.training,
            self.lesson.sizes,
            self.lesson.candidate_ids,
            self.seed,
            step,
            [optimizer.state_dict() for optimizer in self.optimizers],
        )


class Log:
    """Writes `metrics.jsonl`, an object a line, and flushes it so that it can be watched.

    Parameters
    ----------
    path
        Where to write.
    saved
        Where the run was, with the lines so far; None where it begins.
    """

    def __init__(self, path: Path, saved: Saved | None) -> None:
        self.lines: list[str] = list(saved.lines) if saved is not None else []
        self._started = time.monotonic() - (saved.seconds if saved is not None else 0.0)
        self._stream = path.open("w", encoding="utf-8")
        self._stream.writelines(line + "\n" for line in self.lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    @property
    def seconds(self) -> float:
        """Time since training began, interruptions left out."""
        return time.monotonic() - self._started

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Write one line, with the seconds since training began."""
        row = {"kind": kind, "step": step, "seconds": round(self.seconds, 3), **values}
        self.lines.append(json.dumps(row, allow_nan=False))
        self._stream.write(self.lines[-1] + "\n")
        self._stream.flush()


def _batches(count: int, training: TrainingSettings, seed: int, done: int = 0) -> Iterator[Tensor]:
    """Yield row numbers, a batch a step not yet done; what a step gets depends on the seed and the step alone."""
    per_epoch = count // training.batch_size
    if per_epoch == 0:
        raise ParleyError(
            f"The train part has {count} images, fewer than a batch of {training.batch_size}; "
            "lower training.batch_size or raise the counts of `split`."
        )
    for step in range(done, training.steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0 or step == done:
            order = permutation(seed, "order", epoch, count)
        yield order[place * training.batch_size :][: training.batch_size]


def _optimizer(network: nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    kind: Any = OPTIMIZERS[training.optimizer]
    optimizer: torch.optim.Optimizer = kind(network.parameters(), lr=training.learning_rate)
    return optimizer


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
