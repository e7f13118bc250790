"""A server on loopback with the few requests of the Hugging Face Hub that an upload makes."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_tests"
COMMIT = "0" * 40


class Hub:
    """The datasets that were uploaded."""

    def __init__(self) -> None:
        self.address = ""
        self.files: dict[str, dict[str, bytes]] = {}
        """Content of each file by dataset and path."""
        self.private: dict[str, bool] = {}
        self.refused = False
        """Whether the token may not write."""

    def create(self, asked: Any) -> tuple[int, Any]:
        name = f"{asked['organization']}/{asked['name']}"
        exists = name in self.files
        if not exists:
            self.files[name] = {}
            self.private[name] = asked.get("visibility") == "private" or asked.get("private", False)
        return 409 if exists else 200, {"url": f"{self.address}/datasets/{name}"}

    def commit(self, name: str, lines: list[Any]) -> tuple[int, Any]:
        for line in lines:
            if line["key"] == "file":
                self.files[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del self.files[name][line["value"]["path"]]
        return 200, {"commitUrl": f"{self.address}/datasets/{name}/commit/{COMMIT}", "commitOid": COMMIT}


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a function of two short methods
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "datasets"] and parts[4:5] == ["tree"]:
                files = hub.files["/".join(parts[2:4])]
                rows = [{"type": "file", "path": path, "size": len(has), "oid": "1"} for path, has in files.items()]
                self._answer(200, rows)
            else:
                self._answer(404, {"error": self.path})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = self.path.partition("?")[0].strip("/").split("/")
            name = "/".join(parts[2:4])
            if hub.refused or self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._answer(403, {"error": "The token may not write."})
            elif parts == ["api", "repos", "create"]:
                self._answer(*hub.create(json.loads(body)))
            elif parts == ["api", "validate-yaml"]:
                self._answer(200, {"warnings": [], "errors": []})
            elif parts[4:5] == ["preupload"]:
                files = json.loads(body)["files"]
                self._answer(200, {"files": [{**one, "uploadMode": "regular", "shouldIgnore": False} for one in files]})
            elif parts[4:5] == ["commit"]:
                self._answer(*hub.commit(name, [json.loads(line) for line in body.splitlines()]))
            else:
                self._answer(404, {"error": self.path})

        def _answer(self, status: int, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Run the server in this process."""
    hub = Hub()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub)) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
