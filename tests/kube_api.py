"""What of Kubernetes a workflow asks for, on loopback: secrets, jobs and pods, by the API's paths and its rules.

No cluster can be had where these tests run. Pods are real all the same: processes with a folder of their own, the
variables that their container names, and nothing else. What a real server refuses is refused with its words.
"""

import base64
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123's label, which the names of jobs are."""
SUFFIX = "-x7k2p"
"""What makes a job's name its pod's."""
UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
Start = Callable[[Path, list[str], dict[str, str], Path], subprocess.Popen[bytes]]


def started(folder: Path, command: list[str], variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a pod's command in its folder, its output in a file."""
    with log.open("wb") as said:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def amount(quantity: str) -> float:
    """The number that a quantity such as 1500m or 4000M stands for."""
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity))
    if found is None or found[2] not in UNITS:
        raise RefusedError(422, f"quantities must match the regular expression, not {quantity}")
    return float(found[1]) * UNITS[found[2]]


class RefusedError(Exception):
    """What a server answers instead: the status and why."""


@dataclass
class Pod:
    """A job's one pod."""

    job: str
    container: dict[str, Any]
    folder: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    rc: int | None = None
    killed: bool = False

    @property
    def name(self) -> str:
        return f"{self.job}{SUFFIX}"

    def kill(self) -> None:
        """End it as a node does that goes away."""
        self.killed = True
        if self.process is not None and self.rc is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def told(self) -> dict[str, Any]:
        state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        if self.rc is not None:
            state = {"terminated": {"exitCode": self.rc if self.rc >= 0 else 128 - self.rc}}
        elif self.process is not None:
            state = {"running": {}}
        about = {"name": self.container["name"], "image": self.container["image"], "imageID": "", "ready": False}
        return {
            "metadata": {"name": self.name, "labels": {"job-name": self.job}},
            "spec": {"containers": [self.container]},
            "status": {"containerStatuses": [{**about, "restartCount": 0, "state": state}]},
        }


@dataclass
class Cluster:
    """What a server knows: secrets by name, pods by their jobs' names, those that were deleted among them."""

    folder: Path
    variables: Mapping[str, str]
    start: Start
    slots: threading.Semaphore
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    gone: list[Pod] = field(default_factory=list)

    def add_secret(self, body: dict[str, Any]) -> None:
        self.secrets[body["metadata"]["name"]] = {
            key: base64.b64decode(value).decode() for key, value in body.get("data", {}).items()
        }

    def add_job(self, body: dict[str, Any]) -> None:
        """Check a job as a server does, and run its pod as soon as there is room."""
        name, spec = body["metadata"]["name"], body["spec"]["template"]["spec"]
        if not NAME.fullmatch(name):
            raise RefusedError(422, f"metadata.name: Invalid value: {name}")
        if name in self.pods:
            raise RefusedError(409, f'jobs.batch "{name}" already exists')
        (container,) = spec["containers"]
        _check(container, {volume["name"] for volume in spec["volumes"]})
        folder = self.folder / name
        folder.mkdir(parents=True)
        pod = self.pods[name] = Pod(name, container, folder, self.folder / f"{name}.log")
        threading.Thread(target=self._run, args=(pod, self._variables_of(container)), daemon=True).start()

    def _variables_of(self, container: dict[str, Any]) -> dict[str, str]:
        given = dict(self.variables)
        for one in container.get("env", []):
            asked = one["valueFrom"]["secretKeyRef"]
            given[one["name"]] = self.secrets[asked["name"]][asked["key"]]
        return given

    def _run(self, pod: Pod, variables: dict[str, str]) -> None:
        with self.slots:
            if pod.killed:
                return
            command = [*pod.container["command"], *pod.container["args"]]
            pod.process = self.start(pod.folder, command, variables, pod.log)
            pod.rc = pod.process.wait()

    def remove_job(self, name: str) -> None:
        pod = self._pod(name)
        pod.kill()
        self.gone.append(self.pods.pop(name))

    def _pod(self, job: str) -> Pod:
        if job not in self.pods:
            raise RefusedError(404, f'jobs.batch "{job}" not found')
        return self.pods[job]

    def status_of(self, job: str) -> dict[str, Any]:
        pod = self._pod(job)
        outcome = "active" if pod.rc is None else "failed" if pod.rc else "succeeded"
        return {"metadata": {"name": job}, "status": {outcome: 1}}

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Any:
        """What a server answers, and does, by method and path below a namespace."""
        kind, *named = path.split("/")
        match method, kind, named:
            case "POST", "secrets", []:
                self.add_secret(body)
            case "DELETE", "secrets", [name]:
                del self.secrets[name]
            case "POST", "jobs", []:
                self.add_job(body)
            case "GET", "jobs", [name, "status"]:
                return self.status_of(name)
            case "DELETE", "jobs", [name]:
                self.remove_job(name)
            case "GET", "pods", []:
                job = query["labelSelector"].removeprefix("job-name=")
                return {"items": [pod.told() for pod in self.pods.values() if pod.job == job]}
            case "DELETE", "pods", [name]:
                self._pod(name.removesuffix(SUFFIX)).kill()
            case "GET", "pods", [name, "log"]:
                pod = self._pod(name.removesuffix(SUFFIX))
                if query.get("previous", "").lower() == "true":
                    raise RefusedError(400, f'previous terminated container "snakemake" in pod "{name}" not found')
                return pod.log.read_text()
            case _:
                raise RefusedError(404, f"the server could not find the requested resource: {method} {path}")
        return body


def _check(container: dict[str, Any], volumes: set[str]) -> None:
    """Refuse what a server refuses: more asked for than is allowed, GPUs without a limit, volumes that are none."""
    if not container.get("image"):
        raise RefusedError(422, "spec.template.spec.containers[0].image: Required value")
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            raise RefusedError(422, f"volumeMounts[0].name: Not found: {mount['name']}")
    resources = container.get("resources", {})
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for name, asked in requests.items():
        if name in limits and amount(asked) > amount(limits[name]):
            raise RefusedError(422, f"requests: Invalid value: {asked}: must be less than or equal to {name} limit")
        if "/" in name and limits.get(name) != asked:
            raise RefusedError(422, f"limits: Required value: Limit must be set for {name}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _do(self) -> None:
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        _, _, below = address.path.partition("/namespaces/")
        status, answer = 200, None
        try:
            answer = self.server.cluster.answer(self.command, below.partition("/")[2], query, body)  # type: ignore[attr-defined]
        except RefusedError as refused:
            status, message = refused.args
            answer = {"kind": "Status", "status": "Failure", "message": message, "code": status}
        content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _do  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""


@contextmanager
def kubernetes(
    folder: Path, variables: Mapping[str, str], start: Start = started, pods_at_once: int = 2
) -> Iterator[Cluster]:
    """Serve the API, with a `kubeconfig` in the folder that leads to it; all pods end with it."""
    cluster = Cluster(folder / "pods", variables, start, threading.Semaphore(pods_at_once))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.cluster = cluster  # type: ignore[attr-defined]
    server.daemon_threads = True
    folder.mkdir(parents=True, exist_ok=True)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    named = {"cluster": "here", "user": "nobody"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "contexts": [{"name": "here", "context": named}],
        "users": [{"name": "nobody", "user": {}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        for pod in [*cluster.pods.values(), *cluster.gone]:
            pod.kill()
