"""The process that sends the metrics of runs to Weights & Biases and MLflow: `python -m parley.training.trackers`.

The first line of its standard input says what to send, as JSON. The process follows the logs of the runs until its
input ends, and prints sentences for the log of the job. The last line of the input is ``finished`` or ``interrupted``;
without it, the training was killed. Training does not import this module, so that an edit reruns no stage.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar, Protocol

from parley import __version__
from parley.training.log import scalars
from parley.training.tracking import FILE, TRACKERS

EVERY_S = 1.0
"""Time between two looks at the logs, in seconds."""
RETRY_S = 30.0
"""Time after which a tracker that failed is tried again, in seconds."""
REQUEST_S = 10
"""Time that a server has to answer, in seconds."""
PREDECESSOR_S = 40.0
"""Time that the process of an interrupted run has to end before this one starts, in seconds."""
LOCAL = "local"
"""Value of training.mlflow that stands for the folder `.tracking/mlruns` of the run."""
FOLDER = ".tracking"
"""Folder of a run with what the trackers write. It is removed when the run is trained from step 1.
`parley verify` and `parley crate` ignore hidden folders, and uploading changes this one."""
BATCH = 1000
"""Number of metrics that MLflow accepts in a request."""
MOST_CHARACTERS = 200
"""Length at which error messages of trackers are cut."""
Line = Mapping[str, Any]
_REPORT = sys.stdout


class Tracker(Protocol):
    """Sends the lines of one run's log to one tracker. Methods may raise any exception."""

    where: str
    """Server or folder, for messages."""

    def open(self) -> None:
        """Connect to the server."""

    def send(self, first: int, lines: Sequence[Line]) -> None:
        """Send lines of the log that the tracker does not have yet; `first` is the number of the first, from 0."""

    def close(self, state: str) -> None:
        """End the run with the state ``finished``, ``failed`` or ``interrupted``."""


class Wandb:
    """A run of Weights & Biases. Each row of its history is a line of the log.

    Without a login or server, the run is offline: its files are in the folder `.tracking/wandb`. If it is resumed, it
    is written again from the first line, because offline runs cannot be continued. Runs that are trained together are
    all online or all offline.
    """

    _mode: ClassVar = os.environ.get("WANDB_MODE", "online")
    _why: ClassVar = "WANDB_MODE is offline."
    _running: ClassVar = 0

    def __init__(self, project: str, about: Mapping[str, Any]) -> None:
        self._project, self._about = project, about
        self._run: Any = None
        self.where = str(Path(about["folder"], "wandb"))

    def open(self) -> None:
        """Start the run: online if possible, otherwise offline."""
        import wandb

        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
            os.environ.setdefault(name, str(Path(self.where, "cache").absolute()))
        cls = type(self)
        if cls._mode == "online":
            try:
                self._run = self._start(wandb, "allow" if self._about["resumed"] else None)
            except Exception as error:
                if cls._running:
                    raise
                # A process that failed to start a run refuses another one with the same id.
                wandb.teardown()
                cls._mode, cls._why = "offline", _first_line(error)
        if self._run is None:
            for old in Path(self.where).glob("offline-run-*"):
                shutil.rmtree(old)
            self._run = self._start(wandb, None)
        cls._running += 1
        if cls._mode == "offline":
            runs = Path(self._about["runs"], "wandb", "offline-run-*")
            say(f"Weights & Biases: {cls._why} `wandb sync {runs}` uploads the metrics.")
        self._run.define_metric("*", step_metric="step")

    def _start(self, wandb: Any, resume: str | None) -> Any:
        about = self._about
        settings = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            init_timeout=REQUEST_S,
            finish_timeout=REQUEST_S,
            finish_timeout_raises=True,
            reinit="create_new",
        )
        return wandb.init(
            project=self._project,
            id=about["id"],
            name=name_of(about),
            group=about["run"],
            tags=[about["experiment"]],
            config=dict(parameters_of(about)),
            dir=about["folder"],
            resume=resume,
            mode=self._mode,
            settings=settings,
        )

    def send(self, first: int, lines: Sequence[Line]) -> None:
        """Log lines, except those that the server had when the run was resumed."""
        for number, line in enumerate(lines, first):
            if number >= self._run.starting_step:
                self._run.log({"step": line["step"], **scalars(line)}, step=number)

    def close(self, state: str) -> None:
        """End the run."""
        if self._run is not None:
            self._run.summary["state"] = state
            self._run.finish(exit_code=0 if state == "finished" else 1)


class Mlflow:
    """A run of MLflow in the experiment with the name of Parley's. Metrics have training steps as their steps."""

    def __init__(self, uri: str, about: Mapping[str, Any]) -> None:
        self.where = Path(about["folder"], "mlruns").absolute().as_uri() if uri == LOCAL else uri
        self._about, self._id = about, ""
        self._client: Any = None
        self._last: dict[str, int] = {}
        """Last step of each metric that the server had when the run was resumed."""

    def open(self) -> None:
        """Find the run that is resumed, or create it."""
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_S))
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.entities import Param, RunStatus
        from mlflow.tracking import MlflowClient

        client, about = MlflowClient(self.where), self._about
        experiment = _mlflow_experiment(client, about["experiment"])
        found = client.search_runs([experiment], f"tags.parley_id = '{about['id']}'")
        if found:
            self._id = found[0].info.run_id
            histories = {name: client.get_metric_history(self._id, name) for name in found[0].data.metrics}
            self._last = {name: max(one.step for one in values) for name, values in histories.items()}
            client.update_run(self._id, status=RunStatus.to_string(RunStatus.RUNNING))
        else:
            tags = {"parley_id": about["id"], "run": about["run"], "seed": str(about["seed"])}
            self._id = client.create_run(experiment, tags=tags, run_name=name_of(about)).info.run_id
            given = [Param(name, str(value)) for name, value in parameters_of(about)]
            client.log_batch(self._id, params=given)
        self._client = client

    def send(self, first: int, lines: Sequence[Line]) -> None:
        """Log the values that the server does not have."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        values = [
            Metric(name, value, now, line["step"])
            for line in lines
            for name, value in scalars(line).items()
            if line["step"] > self._last.get(name, -1)
        ]
        for start in range(0, len(values), BATCH):
            part = values[start : start + BATCH]
            self._client.log_batch(self._id, metrics=part)
            self._last |= {one.key: one.step for one in part}

    def close(self, state: str) -> None:
        """End the run."""
        status = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}[state]
        if self._id:
            self._client.set_terminated(self._id, status)


def _mlflow_experiment(client: Any, name: str) -> str:
    """Return the id of an experiment, which is created if it is missing."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except Exception:
            found = client.get_experiment_by_name(name)
            if found is None:  # Otherwise, another job has created it in the meantime.
                raise
    return str(found.experiment_id)


def name_of(about: Mapping[str, Any]) -> str:
    """Return the name of a run with one seed."""
    return f"{about['run']}/{about['seed']}"


def parameters_of(about: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a run's settings."""
    yield from (("experiment", about["experiment"]), ("run", about["run"]), ("seed", about["seed"]))
    yield "parley", __version__
    for section in ("game", "training"):
        for name, value in about.get(section, {}).items():
            yield f"{section}.{name}", value


class Sender:
    """Follows the log of one run and sends its lines to one tracker, which may fail at any time."""

    _retry_at: ClassVar[dict[str, float]] = {}
    """Time of the next attempt after an error, by tracker. It holds for all runs, so that each server is tried once."""

    def __init__(self, name: str, tracker: Tracker, log: Path) -> None:
        self._name, self._tracker, self._log = TRACKERS[name], tracker, log.open("rb")
        self._opened = self._diverged = False
        self._sent, self._offset = 0, 0
        self._waiting: list[Line] = []

    def step(self) -> None:
        """Send new lines of the log, unless the tracker has failed recently."""
        if time.monotonic() < self._retry_at.get(self._name, 0):
            return
        try:
            self._read()
            if not self._opened:
                self._tracker.open()
                self._opened = True
            if self._waiting:
                self._tracker.send(self._sent, self._waiting)
            self._sent += len(self._waiting)
            self._waiting = []
        except Exception as error:  # noqa: BLE001 - no tracker may stop the others
            self._report(error)

    def close(self, state: str) -> None:
        """Send the last lines, end the run, and say how many lines were not sent."""
        self.step()
        self._read()
        if self._opened and not self._waiting:
            try:
                self._tracker.close("failed" if self._diverged else state)
            except Exception as error:  # noqa: BLE001 - no tracker may stop the others
                self._report(error)
        if self._waiting:
            say(
                f"{self._name}: {len(self._waiting)} of {self._sent + len(self._waiting)} lines of metrics.jsonl were "
                f"not sent to {self._tracker.where}; the file has all of them."
            )

    @classmethod
    def retry_now(cls) -> None:
        """Let each tracker that has failed be tried again."""
        cls._retry_at.clear()

    def _read(self) -> None:
        """Append the complete new lines of the log to those that wait."""
        self._log.seek(self._offset)
        *lines, rest = self._log.read().split(b"\n")
        self._offset = self._log.tell() - len(rest)
        self._waiting += map(json.loads, lines)
        self._diverged = self._diverged or any(line["kind"] == "failed" for line in self._waiting)

    def _report(self, error: Exception) -> None:
        self._retry_at[self._name] = time.monotonic() + RETRY_S
        say(f"{self._name}: {_first_line(error)} Training continues, and metrics.jsonl has all metrics.")


def _first_line(error: Exception) -> str:
    line = shorten((str(error).strip() or type(error).__name__).splitlines()[0], MOST_CHARACTERS, placeholder="…")
    return line if line.endswith((".", "…")) else f"{line}."


_SAID: set[str] = set()


def say(sentence: str) -> None:
    """Print a sentence for the log of the job, once for each tracker."""
    tracker = sentence.partition(":")[0]
    if tracker not in _SAID or " lines of " in sentence:
        _SAID.add(tracker)
        print(sentence, file=_REPORT, flush=True)


def _ended(wait_s: float) -> str | None:
    """Wait, and return the last line of the standard input if it has ended, else None."""
    if not select.select([sys.stdin], [], [], wait_s)[0]:
        return None
    return sys.stdin.readline().strip() or "interrupted"


def _alone(stack: contextlib.ExitStack, file: Path) -> None:
    """Wait until the process of the interrupted run, which has locked the file, has ended."""
    lock, until = stack.enter_context(file.open("rb")), time.monotonic() + PREDECESSOR_S
    while time.monotonic() < until:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.1)


def main() -> None:
    """Send metrics until the standard input ends."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    plan = json.loads(sys.stdin.readline())
    senders = []
    with contextlib.ExitStack() as stack:
        for about in plan["runs"]:
            _alone(stack, Path(about["log"]).with_name(FILE))
            folder = Path(about["folder"])
            about["folder"] = str(folder / FOLDER)
            # Names the folders of all seeds that are trained together, for messages.
            about["runs"] = str((folder.parent / "*" if len(plan["runs"]) > 1 else folder) / FOLDER)
            if not about["resumed"]:
                shutil.rmtree(about["folder"], ignore_errors=True)
            Path(about["folder"]).mkdir(exist_ok=True)
            for name, value in plan["trackers"].items():
                tracker: Tracker = Wandb(value, about) if name == "wandb" else Mlflow(value, about)
                senders.append(Sender(name, tracker, Path(about["log"])))
        state = None
        while state is None:
            for sender in senders:
                sender.step()
            state = _ended(EVERY_S)
        Sender.retry_now()
        for sender in senders:
            sender.close(state)


if __name__ == "__main__":
    # The packages print to the standard output, too. It is kept for sentences.
    _REPORT = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main()
