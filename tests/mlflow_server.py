"""A tracking server on loopback with the few requests of MLflow's REST API that a run in training makes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from json_servers import JsonHandler, serving

PREFIX = "/api/2.0/mlflow/"
ANSWERS = {
    "experiments/get-by-name": "experiment",
    "experiments/create": "create_experiment",
    "runs/search": "search",
    "runs/create": "create_run",
    "runs/get": "run",
    "runs/update": "update",
    "runs/log-batch": "log",
    "metrics/get-history": "history",
}


class MissingError(Exception):
    """What was asked for does not exist."""


class TrackingServer:
    """Experiments and runs in memory."""

    def __init__(self) -> None:
        self.address = ""
        self.experiments: list[str] = []
        self.runs: dict[str, dict[str, Any]] = {}
        """Info, tags, parameters and logged metrics of each run, by id."""
        self.failing = 0
        """Number of the next requests that fail."""

    def experiment(self, asked: Any) -> Any:
        if asked["experiment_name"] not in self.experiments:
            raise MissingError
        number = self.experiments.index(asked["experiment_name"])
        return {"experiment": {"experiment_id": str(number), "name": asked["experiment_name"]}}

    def create_experiment(self, asked: Any) -> Any:
        self.experiments.append(asked["name"])
        return {"experiment_id": str(len(self.experiments) - 1)}

    def search(self, asked: Any) -> Any:
        value = asked["filter"].partition("'")[2].rstrip("'")
        found = [one for one in self.runs.values() if one["tags"].get("parley_id") == value]
        return {"runs": [self._shown(one) for one in found]}

    def create_run(self, asked: Any) -> Any:
        name = f"run{len(self.runs)}"
        info = {"run_id": name, "run_uuid": name, "status": "RUNNING", "experiment_id": asked["experiment_id"]}
        info |= {"run_name": asked["run_name"], "lifecycle_stage": "active", "artifact_uri": "mlflow-artifacts:/"}
        tags = {one["key"]: one["value"] for one in asked["tags"]}
        self.runs[name] = {"info": info, "tags": tags, "params": {}, "metrics": []}
        return {"run": self._shown(self.runs[name])}

    def run(self, asked: Any) -> Any:
        return {"run": self._shown(self.runs[asked["run_id"]])}

    def update(self, asked: Any) -> Any:
        info = self.runs[asked["run_id"]]["info"]
        info["status"] = asked["status"]
        return {"run_info": info}

    def log(self, asked: Any) -> Any:
        run = self.runs[asked["run_id"]]
        run["params"] |= {one["key"]: one["value"] for one in asked.get("params", [])}
        # Zeros are left out of messages.
        run["metrics"] += [{"value": 0, "step": 0, **one} for one in asked.get("metrics", [])]
        return {}

    def history(self, asked: Any) -> Any:
        values = self.runs[asked["run_id"]]["metrics"]
        return {"metrics": [one for one in values if one["key"] == asked["metric_key"]]}

    def values(self, run: str) -> list[tuple[str, int, float]]:
        """Every value of a run by name and step, as often as it was logged."""
        return sorted((one["key"], int(one["step"]), float(one["value"])) for one in self.runs[run]["metrics"])

    def _shown(self, run: dict[str, Any]) -> dict[str, Any]:
        last = list({one["key"]: one for one in run["metrics"]}.values())
        return {"info": run["info"], "data": {"metrics": last, "tags": [], "params": []}}


def _handler(server: TrackingServer) -> type[JsonHandler]:
    class Handler(JsonHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802 - a name of the base class
            self._serve({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

        def do_POST(self) -> None:  # noqa: N802 - a name of the base class
            self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _serve(self, asked: Any) -> None:
            path = urlsplit(self.path).path.removeprefix(PREFIX)
            if server.failing > 0:
                server.failing -= 1
                self.answer(500, {"error_code": "INTERNAL_ERROR", "message": "The database is locked"})
            elif path not in ANSWERS:
                self.answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": self.path})
            else:
                try:
                    self.answer(200, getattr(server, ANSWERS[path])(asked))
                except MissingError:
                    self.answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "There is none"})

    return Handler


@contextmanager
def mlflow_server() -> Iterator[TrackingServer]:
    """Run the server in this process."""
    tracking = TrackingServer()
    with serving(_handler(tracking)) as tracking.address:
        yield tracking
