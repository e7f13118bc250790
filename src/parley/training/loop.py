"""Training runs of one configuration: a seed alone, or several side by side in one process."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.core.files import digest_of, sha256_of, write_json
from parley.core.progress import Progress
from parley.game.rng import permutation
from parley.game.settings import GameSettings, TrainingSettings, result_affecting
from parley.game.types import Dialogue
from parley.interaction.split_data import load_candidates, load_part
from parley.interaction.transcript import sample_dialogues
from parley.training.allocation import keep_freed_memory
from parley.training.log import Clock, Log
from parley.training.resume import ResumableRuns, ResumeState, stop_on_sigterm
from parley.training.trainer import StepMetrics, Trainer
from parley.training.training_data import TrainingData, build_training_data

logger = logging.getLogger(__name__)
LINES_PER_DEV = 10
"""Lines of train means between two dev evaluations."""
SAVED_EVERY_S = 30.0
"""Longest time that a kill can cost, but for the step under way, in seconds."""


def train_from_files(
    runs: Sequence[Mapping[str, Any]],
    parts: Mapping[str, str],
    descriptions: str,
    words: str,
    folders: Sequence[str | Path],
    code: str = "",
    dev_descriptions: str | None = None,
    how: Mapping[str, Any] | None = None,
) -> None:
    """Train runs that differ in their seed alone; each leaves its log, checkpoints and `config.json` in its folder.

    Parameters
    ----------
    runs
        ``experiment, run, seed, k, game, training`` of each.
    parts
        Paths of the train and dev parts.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    folders
        The runs' folders. Runs that were interrupted there go on where they were.
    code
        Digest of the code; runs that were interrupted under another start again.
    dev_descriptions
        Path of the descriptions that are read in evaluation, where they are others.
    how
        Training settings that change nothing of what runs come to, where they are not among the runs' own.
    """
    keep_freed_memory()
    game = GameSettings.from_mapping(runs[0]["game"])
    training = TrainingSettings.from_mapping({**runs[0]["training"], **(how or {})})
    runs = [{**run, "training": result_affecting(run["training"])} for run in runs]
    data = build_training_data(
        load_part(parts["train"], game),
        load_part(parts["dev"], game),
        load_candidates(descriptions, words, game),
        game,
        runs[0]["k"],
        load_candidates(dev_descriptions, words, game) if dev_descriptions else None,
    )
    read = [parts["train"], parts["dev"], descriptions, words, *([dev_descriptions] if dev_descriptions else [])]
    identity = digest_of([runs, [sha256_of(path) for path in read], code])
    train_runs(data, game, training, [run["seed"] for run in runs], runs[0]["k"], folders, identity)
    for run, folder in zip(runs, folders, strict=True):
        write_json(Path(folder) / "config.json", run)


def train_runs(
    data: TrainingData,
    game: GameSettings,
    training: TrainingSettings,
    seeds: Sequence[int],
    k: int,
    folders: Sequence[str | Path],
    identity: str = "",
) -> None:
    """Train a run a seed, side by side, and leave `metrics.jsonl` and `checkpoints/` in each one's folder.

    A run whose numbers are no longer finite is given up, and the last line of its log says so; the others go on.
    What they need to go on is saved at every dev evaluation, every half minute, and on SIGTERM; runs that
    were interrupted go on from there, and come to what they would have come to undisturbed, bit for bit.

    Parameters
    ----------
    data
        From `build_training_data`.
    game, training
        Settings.
    seeds
        Each decides its run's initial weights, order of images and every draw.
    k
        The K of the accuracy@K that is logged.
    folders
        The runs' folders.
    identity
        Tells settings, inputs and code; what was interrupted under another does not count.

    Raises
    ------
    ParleyError
        When the train part is smaller than a batch, or SIGTERM came.
    """
    torch.use_deterministic_algorithms(training.deterministic)
    trainer = Trainer(data, game, training, seeds)
    resumable = ResumableRuns(folders, identity)
    first = Path(folders[0])
    name = f"train {first.parent.name}/{','.join(map(str, seeds))}"
    with Progress(name, training.steps, "step") as progress, stop_on_sigterm() as stop:
        boards = [Path(folder) / "tensorboard" if training.tensorboard else None for folder in folders]
        TrainingLoop(trainer, k, resumable, boards).run(progress, stop)
    resumable.finish()


class TrainingLoop:
    """The steps of several runs, with what is logged, examined, kept and saved on the way."""

    def __init__(self, trainer: Trainer, k: int, resumable: ResumableRuns, boards: Sequence[Path | None]) -> None:
        self.trainer, self.training, self.k, self.resumable = trainer, trainer.training, k, resumable
        saved = resumable.load()
        self.done = trainer.load(saved.checkpoints) if saved is not None else 0
        # It was read into the computer's memory, wherever the steps to come are counted.
        self.loss_window = [counted.to(trainer.device) for counted in saved.loss_window] if saved is not None else []
        self.checkpoint_steps = (
            [list(steps) for steps in saved.checkpoint_steps] if saved is not None else [[] for _ in trainer.seeds]
        )
        self.clock = Clock(saved.seconds if saved is not None else 0.0)
        lines = saved.log_lines if saved is not None else [[] for _ in trainer.seeds]
        self.logs = [
            Log(path, self.clock, known, board)
            for path, known, board in zip(resumable.logs, lines, boards, strict=True)
        ]
        self.per_epoch = batches_per_epoch(len(trainer.data.train_target_index), trainer.training)
        epochs = self.training.dev_unit == "epochs"
        self.dev_every = self.training.dev_every * (self.per_epoch if epochs else 1)

    def run(self, progress: Progress, stop: Callable[[], bool]) -> None:
        """Take the steps that are left."""
        progress.resume_from(self.done)
        saved_at = time.monotonic()
        with ExitStack() as open_logs:
            for log in self.logs:
                open_logs.enter_context(log)
            for step in range(self.done + 1, self.training.steps + 1):
                if not self._ongoing():
                    break
                rows = _rows(self.trainer, self.per_epoch, step)
                self.loss_window.append(self.trainer.train_step(step, rows))
                last = step == self.training.steps
                if last or step % max(self.dev_every // LINES_PER_DEV, 1) == 0:
                    self._write_means(step)
                examined = last or step % self.dev_every == 0
                progress.advance(note=self._evaluate(step) if examined else "")
                asked = stop()
                if asked or examined or time.monotonic() - saved_at > SAVED_EVERY_S:
                    self._save(step)
                    saved_at = time.monotonic()
                if asked and not last:
                    raise ParleyError(self._stop_message(step))

    def _ongoing(self) -> list[int]:
        """Return the places of the runs that have neither failed nor stopped early."""
        patience = self.training.patience
        return [place for place, log in enumerate(self.logs) if not (log.failed or log.should_stop_early(patience))]

    def _write_means(self, step: int) -> None:
        """Write a line of each run's means since the last."""
        means = torch.stack(self.loss_window).mean(0).cpu()
        self.loss_window = []
        finite = means.isfinite().all(0).tolist()
        for place in self._ongoing():
            if finite[place]:
                self.logs[place].write(
                    "train", step, dict(zip(StepMetrics.names(), means[:, place].tolist(), strict=True))
                )
            else:
                self._give_up(place, step, "loss")

    def _give_up(self, place: int, step: int, what: str) -> None:
        """Note that a run failed; it cannot recover, since what is not finite makes all that it touches so."""
        why = (
            f"The {what} of seed {self.trainer.seeds[place]} is no longer finite at step {step}; "
            "lower training.learning_rate or set game.standardize to train."
        )
        self.logs[place].give_up(step, why)
        logger.error(why)

    def _evaluate(self, step: int) -> str:
        """Evaluate on the dev part, keep checkpoints, and return a note for the progress."""
        shown = permutation(0, "samples", 0, len(self.trainer.data.dev_target_index))[: self.training.samples].tolist()
        results = self.trainer.evaluate_dev(self.k, shown)
        for place in self._ongoing():
            if (result := results[place].result) is None:
                self._give_up(place, step, "dev result")
                continue
            self.logs[place].write("dev", step, result)
            if step >= min(self.training.first_checkpoint, self.training.steps):
                self.resumable.keep_checkpoint(place, self.trainer.checkpoint(place, step))
                self.checkpoint_steps[place].append(step)
        if not self.logs[0].failed:
            self._show_samples(step, results[0].shown, shown)
        known = [one.result for one in results if one.result is not None]
        if not known:
            return ""
        accuracy, length = (sum(result[name] for result in known) / len(known) for name in ("accuracy@1", "length"))
        return f"dev accuracy@1 {accuracy:.3f}, length {length:.1f}"

    def _show_samples(self, step: int, said: Dialogue, rows: Sequence[int]) -> None:
        """Write some of the first run's dialogues about the dev part to the log, the same images each time."""
        if rows:
            data = self.trainer.data
            places, keys = data.dev_target_index[list(rows)], list(map(str, rows))
            text = sample_dialogues(said, places, data.labels, range(len(rows)), keys)
            logger.info("Dialogues of seed %d at step %d:\n%s", self.trainer.seeds[0], step, text)

    def _save(self, step: int) -> None:
        checkpoints = [self.trainer.checkpoint(place, step) for place in range(len(self.trainer.seeds))]
        lines = [log.lines for log in self.logs]
        self.resumable.save(
            ResumeState(checkpoints, lines, self.loss_window, self.checkpoint_steps, self.clock.seconds)
        )

    def _stop_message(self, step: int) -> str:
        seeds = ", ".join(map(str, self.trainer.seeds))
        return (
            f"Training of seed {seeds} was asked to stop (SIGTERM) and is saved at step {step} of "
            f"{self.training.steps}; run again, and it goes on from there."
        )


def batches_per_epoch(images: int, training: TrainingSettings) -> int:
    """Return the number of batches in an epoch; the short last one is dropped."""
    if images < training.batch_size:
        raise ParleyError(
            f"The train part has {images} images, fewer than a batch of {training.batch_size}; "
            "lower training.batch_size or raise the counts of `split`."
        )
    return images // training.batch_size


@lru_cache(maxsize=1024)
def _order(seed: int, epoch: int, images: int) -> Tensor:
    """Return a seed's order of the train part in an epoch; remembered for the length of it."""
    return permutation(seed, "order", epoch, images)


def _rows(trainer: Trainer, per_epoch: int, step: int) -> Tensor:
    """Return the rows ``[S, B]`` of a step, counted from 1; what it gets depends on the seed and the step alone."""
    epoch, place = divmod(step - 1, per_epoch)
    size = trainer.training.batch_size
    orders = [_order(seed, epoch, len(trainer.data.train_target_index)) for seed in trainer.seeds]
    return torch.stack([order[place * size :][:size] for order in orders])
