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
from parley.game.agents import make_agents
from parley.game.draws import permutation, uniforms
from parley.game.exchange import exchange, replay
from parley.game.objective import Losses, losses
from parley.game.payloads import Descriptions, Dialogue, Images
from parley.game.settings import GameSettings, TrainingSettings
from parley.parts import Candidates, Part, load_candidates, load_part, places_of, refuse_undescribed
from parley.progress import Progress
from parley.standardization import Standardizer, fit

LINES_PER_DEV = 10
"""Lines of train means between two dev evaluations."""
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
        run["k"],
    )
    train_run(lesson, game, training, run["seed"], run["k"], folder)
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
    trainer = Trainer(lesson, game, training, seed)
    with (
        written_aside(folder / "metrics.jsonl") as aside,
        aside.open("w", encoding="utf-8") as stream,
        Progress(f"train {folder.parent.name}/{seed}", training.steps, "step") as progress,
    ):
        log = Log(stream)
        window: list[dict[str, float]] = []
        for step, rows in enumerate(_batches(len(lesson.train_places), training, seed), start=1):
            window.append(trainer.learn(step, rows))
            last = step == training.steps
            if last or step % max(training.dev_every // LINES_PER_DEV, 1) == 0:
                log.write("train", step, _means(window))
                window = []
            note = ""
            if last or step % training.dev_every == 0:
                result = trainer.examine(k)
                log.write("dev", step, result)
                note = f"dev accuracy@1 {result['accuracy@1']:.3f}, length {result['length']:.1f}"
                if step >= min(training.first_checkpoint, training.steps):
                    save_checkpoint(folder / "checkpoints" / f"{step:08d}.pt", trainer.moment(step))
            progress.advance(note=note)


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
    """Writes `metrics.jsonl`, an object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = time.monotonic()

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Write one line, with the seconds since training began."""
        seconds = round(time.monotonic() - self._started, 3)
        row = {"kind": kind, "step": step, "seconds": seconds, **values}
        self._stream.write(json.dumps(row, allow_nan=False) + "\n")
        self._stream.flush()


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
