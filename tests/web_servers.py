"""A real web server on loopback, in a process of its own, that ends by itself."""

import itertools
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIVES_S = 7200
"""It ends with the tests; left alone, it ends by then. Less was too little on a machine busy with other work."""
tokens = itertools.count()


class WebServer:
    """The server as one test sees it: its URLs, and the requests made for them."""

    def __init__(self, port: int, log: Path) -> None:
        self.token = f"t{next(tokens)}"
        self.base = f"http://127.0.0.1:{port}/{self.token}"
        self._log = log

    def url(self, path: str) -> str:
        return f"{self.base}/{path}"

    def requests(self) -> list[str]:
        """Paths asked for in this test, in order, as given to `url`."""
        return [path for path, *_ in self._lines()]

    def count(self, path: str) -> int:
        return Counter(self.requests())[path]

    def user_agents(self) -> set[str]:
        return {agent for _, agent, *_ in self._lines()}

    def times(self) -> dict[str, float]:
        """When each path was last asked for, in seconds."""
        return {path: float(when) for path, _, when, _ in self._lines()}

    def ranges(self, path: str) -> list[str]:
        """What the header Range said in each request for a path, in order."""
        return [asked for each, *_, asked in self._lines() if each == path]

    def sent(self, path: str) -> int:
        """How many bytes of a `file` the server has sent, in all requests together."""
        with urllib.request.urlopen(self.url(f"sent/{path}")) as answer:
            return int(answer.read())

    def _lines(self) -> list[tuple[str, str, str, str]]:
        mark = f"/{self.token}/"
        lines = [line.split("\t") for line in self._log.read_text().splitlines()]
        return [(path.removeprefix(mark), *rest) for path, *rest in lines if path.startswith(mark)]


@contextmanager
def image_server(folder: Path) -> Iterator[tuple[int, Path]]:
    """Run `image_server.py`, with its log in a folder; give its port and the log."""
    log = folder / "requests.tsv"
    log.touch()
    command = [sys.executable, str(Path(__file__).with_name("image_server.py")), str(log), str(LIVES_S)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), log
        # Leaving the block closes its standard input, upon which it ends.
