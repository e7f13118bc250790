"""The training loop, for one or more seeds of a run in one process."""

import ctypes
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
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
from parley.training.log import Log
from parley.training.plugin_checks import parts_of_plugins
from parley.training.resume import ResumableRuns, ResumeState, stop_on_signal
from parley.training.tracking import Tracking
from parley.training.trainer import METRICS, Trainer
from parley.training.training_data import TrainingData, build_training_data

logger = logging.getLogger(__name__)
LINES_PER_DEV = 10
"""Number of log lines with training metrics between two dev evaluations."""
SAVED_EVERY_S = 30.0
"""Time between saves, in seconds, checked after each step. A killed run loses the steps since the last save."""


def train_from_files(
    runs: Sequence[Mapping[str, Any]],
    parts: Mapping[str, str],
    descriptions: str,
    words: str,
    folders: Sequence[str | Path],
    code: str = "",
    dev_descriptions: str | None = None,
    how: Mapping[str, Any] | None = None,
    plugins: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Train runs that differ only in their seed, and write the log, checkpoints and `config.json` of each run.

    Parameters
    ----------
    runs
        Configuration of each run, with the keys ``experiment``, ``run``, ``seed``, ``k``, ``game`` and ``training``.
    parts
        Paths of the HDF5 files of the splits ``train`` and ``dev``.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    folders
        Output folder of each run. Interrupted runs in these folders are resumed.
    code
        Digest of the code. If the code has changed since an interruption, the runs start again from step 1.
    dev_descriptions
        Path of the descriptions used in evaluation, if they differ from those used in training.
    how
        Settings in `PERFORMANCE_ONLY`, which do not affect results.
    plugins
        The parts of plug-ins that the runs use: for each file, the digest of each part. `config.json` records them.
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
        training.dev_candidates,
    )
    inputs = [parts["train"], parts["dev"], descriptions, words, *([dev_descriptions] if dev_descriptions else [])]
    identity = digest_of([runs, [sha256_of(path) for path in inputs], code])
    train_runs(data, game, training, [run["seed"] for run in runs], runs[0]["k"], folders, identity, runs)
    for run, folder in zip(runs, folders, strict=True):
        write_json(Path(folder) / "config.json", {**run, **({"plugins": plugins} if plugins else {})})


def train_runs(
    data: TrainingData,
    game: GameSettings,
    training: TrainingSettings,
    seeds: Sequence[int],
    k: int,
    folders: Sequence[str | Path],
    identity: str = "",
    about: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Train one run per seed at the same time, and write `metrics.jsonl` and `checkpoints/` of each run.

    If the loss or a dev result of a run is not finite, the run fails: the last line of its log states the reason, and
    the other runs continue. All runs are saved at every dev evaluation, every half minute, and on SIGTERM or Ctrl-C. An
    interrupted run resumes from the last save; its results are bit-identical to those of an uninterrupted run.

    Parameters
    ----------
    data
        Training data, as returned by `build_training_data`.
    game, training
        Settings of the game and of the training.
    seeds
        Seed of each run. It determines the initial weights, the order of the images and all random numbers.
    k
        The K of accuracy@K.
    folders
        Output folder of each run.
    identity
        Digest of settings, inputs and code. If it has changed since an interruption, the runs start again from step 1.
    about
        Configuration of each run, as for `train_from_files`, for Weights & Biases and MLflow.

    Raises
    ------
    ParleyError
        If the train split has fewer images than a batch, or after saving on SIGTERM or Ctrl-C.
    """
    # `torch.use_deterministic_algorithms` sets the same, but imports PyTorch's compiler, which takes seconds.
    torch.set_deterministic_debug_mode("error" if training.deterministic else "default")
    if training.max_epochs:
        most = training.max_epochs * batches_per_epoch(len(data.train_target_index), training)
        training = replace(training, steps=min(training.steps, most))
    trainer = Trainer(data, game, training, seeds, k=k)
    resumable = ResumableRuns(folders, identity)
    boards = [Path(folder) / "tensorboard" if training.tensorboard else None for folder in folders]
    name = f"train {Path(folders[0]).parent.name}/{','.join(map(str, seeds))}"
    with Progress(name, training.steps, "step") as progress, stop_on_signal() as stop, ExitStack() as open_logs:
        loop = TrainingLoop(trainer, k, resumable, boards)
        for log in loop.logs:
            open_logs.enter_context(log)
        about = about or [
            {"experiment": "parley", "run": Path(one).parent.name, "seed": Path(one).name} for one in folders
        ]
        open_logs.enter_context(Tracking(training, folders, resumable.logs, about or _unnamed(folders)))
        loop.run(progress, stop)
    resumable.finish()


def _unnamed(folders: Sequence[str | Path]) -> list[dict[str, str]]:
    """Return names of runs without a configuration, from their folders."""
    return [{"experiment": "parley", "run": Path(one).parent.name, "seed": Path(one).name} for one in folders]


class TrainingLoop:
    """Loop over training steps of one or more runs, with logging, dev evaluation, checkpoints and saving."""

    def __init__(self, trainer: Trainer, k: int, resumable: ResumableRuns, boards: Sequence[Path | None]) -> None:
        self.trainer, self.training, self.k, self.resumable = trainer, trainer.training, k, resumable
        self.per_epoch = batches_per_epoch(len(trainer.data.train_target_index), trainer.training)
        epochs = self.training.dev_unit == "epochs"
        self.dev_every = self.training.dev_every * (self.per_epoch if epochs else 1)
        self.log_every = max(self.dev_every // LINES_PER_DEV, 1)
        runs = len(trainer.seeds)
        saved = resumable.load() or ResumeState([], [[] for _ in range(runs)], [], [[] for _ in range(runs)], 0.0)
        self.done = trainer.load(saved.checkpoints) if saved.checkpoints else 0
        """Number of steps taken before this process started."""
        self.loss_window = [metrics.to(trainer.device) for metrics in saved.loss_window]
        """Training metrics ``[metrics, S]`` of each step that has been taken since metrics were last logged."""
        self.checkpoint_steps = [list(steps) for steps in saved.checkpoint_steps]
        self.saved_at = time.monotonic()
        self.started = self.saved_at - saved.seconds
        """Time on the clock `time.monotonic` at which training would have started if it had not been interrupted."""
        paths = zip(resumable.logs, saved.log_lines, boards, strict=True)
        self.logs = [Log(path, self.started, lines, board) for path, lines, board in paths]

    def run(self, progress: Progress, stop: Callable[[], bool]) -> None:
        """Take the remaining steps; end early if every run has failed or stopped early.

        If `stop` returns true, save the runs and raise `ParleyError`.
        """
        progress.resume_from(self.done)
        for step in range(self.done + 1, self.training.steps + 1):
            if not self._active_runs():
                break
            self.loss_window.append(self.trainer.train_step(step, self._batch(step)))
            last = step == self.training.steps
            if last or step % self.log_every == 0:
                self._log_means(step)
            evaluating = last or step % self.dev_every == 0
            progress.advance(note=self._evaluate(step) if evaluating else "")
            stopping = stop()
            if stopping or evaluating or time.monotonic() - self.saved_at > SAVED_EVERY_S:
                self._save(step)
            if stopping and not last:
                raise ParleyError(self._stop_message(step))

    def _batch(self, step: int) -> Tensor:
        """Return the row indices ``[S, B]`` of a step's batches. They depend only on the settings, seeds and step."""
        epoch, batch = divmod(step - 1, self.per_epoch)
        size, images = self.training.batch_size, len(self.trainer.data.train_target_index)
        orders = [_order(seed, epoch, images) for seed in self.trainer.seeds]
        return torch.stack([order[batch * size :][:size] for order in orders])

    def _active_runs(self) -> list[int]:
        """Return the indices of the runs that have neither failed nor stopped early."""
        patience = self.training.patience
        return [run for run, log in enumerate(self.logs) if not (log.failed or log.should_stop_early(patience))]

    def _log_means(self, step: int) -> None:
        """Log the mean training metrics of each active run since metrics were last logged."""
        means = torch.stack(self.loss_window).mean(0).cpu()
        self.loss_window = []
        finite = means.isfinite().all(0).tolist()
        for run in self._active_runs():
            if finite[run]:
                self.logs[run].write("train", step, dict(zip(METRICS, means[:, run].tolist(), strict=True)))
            else:
                self._fail(run, step, "loss")

    def _fail(self, run: int, step: int, what: str) -> None:
        """Log that a run failed because its loss or dev result, named by `what`, is not finite."""
        parts = parts_of_plugins(self.trainer.game, self.training)
        check_plugins = f", or check the plug-in's {' and '.join(parts)}" if parts else ""
        why = (
            f"The {what} of seed {self.trainer.seeds[run]} is no longer finite at step {step}; "
            f"lower training.learning_rate or set game.standardize to train{check_plugins}."
        )
        self.logs[run].write("failed", step, {"why": why})
        logger.error(why)

    def _evaluate(self, step: int) -> str:
        """Evaluate the runs on the dev split, write their checkpoints, and return a note for the progress line."""
        shown = permutation(0, "samples", 0, len(self.trainer.data.dev_target_index))[: self.training.samples].tolist()
        results = self.trainer.evaluate_dev(self.k, shown)
        for run in self._active_runs():
            if (result := results[run].result) is None:
                self._fail(run, step, "dev result")
                continue
            self.logs[run].write("dev", step, result)
            if step >= min(self.training.first_checkpoint, self.training.steps):
                self.resumable.keep_checkpoint(run, self.trainer.checkpoint(run, step))
                self.checkpoint_steps[run].append(step)
        if shown and not self.logs[0].failed:
            self._log_samples(step, results[0].shown, shown)
        finite = [one.result for one in results if one.result is not None]
        if not finite:
            return ""
        accuracy, length = (sum(result[name] for result in finite) / len(finite) for name in ("accuracy@1", "length"))
        return f"dev accuracy@1 {accuracy:.3f}, length {length:.1f}"

    def _log_samples(self, step: int, dialogue: Dialogue, rows: list[int]) -> None:
        """Log dialogues about dev images, given by row index, of the first of the runs that train together."""
        data = self.trainer.data
        target_index, keys = data.dev_target_index[rows], list(map(str, rows))
        text = sample_dialogues(dialogue, target_index, data.dev_labels, range(len(rows)), keys)
        logger.info("Dialogues of seed %d at step %d:\n%s", self.trainer.seeds[0], step, text)

    def _save(self, step: int) -> None:
        checkpoints = [self.trainer.checkpoint(run, step) for run in range(len(self.trainer.seeds))]
        lines, seconds = [log.lines for log in self.logs], time.monotonic() - self.started
        self.resumable.save(ResumeState(checkpoints, lines, self.loss_window, self.checkpoint_steps, seconds))
        self.saved_at = time.monotonic()

    def _stop_message(self, step: int) -> str:
        seeds = ", ".join(map(str, self.trainer.seeds))
        return (
            f"Training of seed {seeds} was asked to stop and is saved at step {step} of "
            f"{self.training.steps}; run the same command again to continue from there."
        )


def batches_per_epoch(images: int, training: TrainingSettings) -> int:
    """Return the number of full batches in an epoch. A shorter last batch is dropped."""
    if images < training.batch_size:
        raise ParleyError(
            f"The train split has {images} images, fewer than a batch of {training.batch_size}; "
            "lower training.batch_size or raise the counts of `split`."
        )
    return images // training.batch_size


@lru_cache(maxsize=1024)
def _order(seed: int, epoch: int, images: int) -> Tensor:
    """Return the order of the train images in an epoch of a seed; cached, because each step needs it."""
    return permutation(seed, "order", epoch, images)


def keep_freed_memory() -> None:
    """Make glibc reuse freed memory blocks of up to 256 MB instead of returning them to the operating system.

    Every step allocates blocks of the same sizes, and the operating system zeroes each page before handing it out. On a
    CPU, zeroing takes a sixth of the time of a step with visual attention. With other C libraries, do nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter in (-3, -1):  # The values of M_MMAP_THRESHOLD and M_TRIM_THRESHOLD in malloc.h.
            mallopt(parameter, 1 << 28)
