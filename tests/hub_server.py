"""A server on loopback with the few requests of the Hugging Face Hub that an upload makes."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from json_servers import JsonHandler, serving

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


def _handler(hub: Hub) -> type[JsonHandler]:
    class Handler(JsonHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802 - a name of the base class
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "datasets"] and parts[4:5] == ["tree"]:
                files = hub.files["/".join(parts[2:4])]
                rows = [{"type": "file", "path": path, "size": len(has), "oid": "1"} for path, has in files.items()]
                self.answer(200, rows)
            else:
                self.answer(404, {"error": self.path})

        def do_POST(self) -> None:  # noqa: N802 - a name of the base class
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = self.path.partition("?")[0].strip("/").split("/")
            name = "/".join(parts[2:4])
            if hub.refused or self.headers["Authorization"] != f"Bearer {TOKEN}":
                self.answer(403, {"error": "The token may not write."})
            elif parts == ["api", "repos", "create"]:
                self.answer(*hub.create(json.loads(body)))
            elif parts == ["api", "validate-yaml"]:
                self.answer(200, {"warnings": [], "errors": []})
            elif parts[4:5] == ["preupload"]:
                files = json.loads(body)["files"]
                self.answer(200, {"files": [{**one, "uploadMode": "regular", "shouldIgnore": False} for one in files]})
            elif parts[4:5] == ["commit"]:
                self.answer(*hub.commit(name, [json.loads(line) for line in body.splitlines()]))
            else:
                self.answer(404, {"error": self.path})

    return Handler


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Run the server in this process."""
    hub = Hub()
    with serving(_handler(hub)) as hub.address:
        yield hub
