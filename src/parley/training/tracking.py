"""Metrics of runs in training for Weights & Biases and MLflow, sent by a process of its own.

The process (`parley.training.trackers`) follows the logs, `metrics.jsonl`, and sends each new line. Training neither
imports the trackers' packages nor waits for a server, and a tracker that fails leaves it alone.
"""

import importlib.util
import json
import logging
import os
import subprocess  # nosec B404
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from parley.core.errors import ParleyError
from parley.core.files import read_json, write_json
from parley.game.settings import TrainingSettings

logger = logging.getLogger(__name__)
TRACKERS = {"wandb": "Weights & Biases", "mlflow": "MLflow"}
"""Name of each tracker, by its training setting, its package and its extra."""
_INSTALL = {
    "tensorboard": "`uv sync --extra tensorboard`) or set the key to false.",
    "wandb": "`uv sync --extra wandb`) or set the key to null.",
    "mlflow": "`uv sync --extra mlflow`) or set the key to null.",
}
FILE = "tracking.json"
"""File beside the log of a run in training that has the run's id, so that a resumed run continues its curves."""
GRACE_S = 60.0
"""Time that a finished run waits for its last metrics to be sent, in seconds."""


def tracked_by(training: Mapping[str, Any]) -> dict[str, str]:
    """Return the trackers that training settings ask for: the value of each tracker's setting, by its name."""
    return {name: training[name] for name in TRACKERS if training.get(name)}


def missing_package(name: str) -> str:
    """Return the rest of an error message about a setting, if its package, which has its name, is missing."""
    if importlib.util.find_spec(name) is not None:
        return ""
    return f"but the package {name} is not installed; install it ({_INSTALL[name]}"


class Tracking:
    """The process that sends the metrics of runs which are trained together; none if no tracker is set.

    Parameters
    ----------
    training
        Training settings of the runs.
    folders
        Output folder of each run.
    logs
        Path of each run's log while the run is in training.
    about
        Configuration of each run, with the keys ``experiment``, ``run``, ``seed``, ``game`` and ``training``.

    Raises
    ------
    ParleyError
        If a tracker's package is not installed.
    """

    def __init__(
        self,
        training: TrainingSettings,
        folders: Sequence[str | Path],
        logs: Sequence[Path],
        about: Sequence[Mapping[str, Any]],
    ) -> None:
        trackers = tracked_by({"wandb": training.wandb, "mlflow": training.mlflow})
        for name in trackers:
            if missing := missing_package(name):
                raise ParleyError(f"training.{name} is set, {missing}")
        self._process = None
        if trackers:
            runs = [_identified(*one) for one in zip(folders, logs, about, strict=True)]
            self._process = _started({"trackers": trackers, "runs": runs})
            self._reader = threading.Thread(target=_pass_on, args=(self._process.stdout,), daemon=True)
            self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until the last metrics are sent, but no longer than `GRACE_S`."""
        if self._process is None or self._process.stdin is None:
            return
        with suppress(OSError):  # The process has ended.
            self._process.stdin.write("finished\n" if kind is None else "interrupted\n")
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            logger.warning("Not all metrics were sent within %.0f s; metrics.jsonl has all of them.", GRACE_S)
        self._reader.join(1)


def _identified(folder: str | Path, log: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the process needs to know of a run. Its id is that of the interrupted run that it continues."""
    file = log.with_name(FILE)
    resumed = file.exists()
    if not resumed:
        write_json(file, {"id": uuid.uuid4().hex})
    return {"id": read_json(file)["id"], "resumed": resumed, "folder": str(folder), "log": str(log), **about}


def _started(plan: Mapping[str, Any]) -> subprocess.Popen[str]:
    source = str(Path(__file__).parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(  # nosec B603
        [sys.executable, "-m", "parley.training.trackers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        text=True,
        # Ctrl-C and the end of a job are for the training; the process ends when its input does.
        start_new_session=True,
    )
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
    return process


def _pass_on(sentences: IO[str] | None) -> None:
    """Log each sentence that the process prints."""
    for sentence in sentences or ():
        logger.warning(sentence.rstrip("\n"))
