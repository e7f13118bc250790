"""A fork server: `preloaded_python()` returns a command that runs a script with the libraries already imported.

Importing Snakemake takes two seconds and PyTorch three, and a test of the whole workflow starts some forty processes.
The command runs its script in a fork of a server process that has imported the libraries, but nothing of Parley. The
script gets the command's arguments, standard streams, working folder, environment and signals, and the command its exit
status. With options of Python, such as ``-c``, or PYTHONHASHSEED, the command starts Python itself. The fork server of
`multiprocessing` runs functions, but Snakemake starts its jobs by a command.

Run as a script, this file is the server: `fork_server.py <socket>`.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    "snakemake.cli",
    "snakemake.script",
    "torch",
    "torchvision",
    "matplotlib.pyplot",
    "pandas",
    "scipy.stats",
    "h5py",
    "requests",
    "PIL.Image",
)
CLIENT = Path(__file__).with_name("fork_client.py")


@cache
def preloaded_python() -> str:
    """Start the server, which ends with this process, and return the command."""
    folder = Path(tempfile.mkdtemp(prefix="fork_server"))
    atexit.register(shutil.rmtree, folder)
    address = folder / "socket"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, __file__, str(address)],
        stdin=subprocess.PIPE,  # Closed when this process ends.
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    atexit.register(server.communicate)
    command = folder / "python"
    words = (sys.executable, "-IS", CLIENT, address, sys.executable)
    command.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
    command.chmod(0o755)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    return str(command)


class Server:
    """The server, which forks for each client that connects to its socket."""

    def __init__(self, address: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.clients: dict[int, socket.socket] = {}
        """The client of each running fork, by the fork's process id."""
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(address)
        self.listening.listen(64)
        self.child_exited, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self.child_exited, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.listening, selectors.EVENT_READ)
        self.selector.register(self.child_exited, selectors.EVENT_READ, self.report_exited)
        self.selector.register(0, selectors.EVENT_READ, self.shut_down)

    def serve(self) -> tuple[dict[str, Any], list[int]]:
        """Fork for each client; return only in the forks, with the client's request and its standard streams."""
        while True:
            ready = {key.fileobj: key.data for key, _ in self.selector.select()}
            # New clients come last, so that the fork of a client that was killed has ended before another one starts.
            is_new = ready.pop(self.listening, False) is None
            for act in ready.values():
                act()
            if is_new:
                client, _ = self.listening.accept()
                if request := self.fork_for(client):
                    return request

    def fork_for(self, client: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
        """Read a client's request and fork; return the request and standard streams in the fork, and None here."""
        text, streams, _, _ = socket.recv_fds(client, 1 << 20, 3)
        if not text:
            client.close()
            return None
        while not text.endswith(b"\n"):
            text += client.recv(1 << 20)
        if pid := os.fork():
            for stream in streams:
                os.close(stream)
            self.clients[pid] = client
            self.selector.register(client, selectors.EVENT_READ, lambda: self.kill(pid))
            client.sendall(f"{pid}\n".encode())
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for one in (self.listening, client, *self.clients.values()):
            one.close()
        return json.loads(text), streams

    def kill(self, pid: int) -> None:
        """Kill a fork whose client has ended."""
        if pid not in self.clients:  # It exited in the meantime.
            return
        self.selector.unregister(self.clients[pid])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.clients.pop(pid).close()

    def shut_down(self) -> None:
        """Kill all forks and end the server: the process that started it has ended."""
        for pid in list(self.clients):
            self.kill(pid)
        os._exit(0)

    def report_exited(self) -> None:
        """Send the exit status of each fork that has exited to its client."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.child_exited, 1 << 16)
        for pid, client in list(self.clients.items()):
            exited, status = os.waitpid(pid, os.WNOHANG)
            if exited:
                self.selector.unregister(client)
                with contextlib.suppress(OSError):
                    client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                self.clients.pop(pid).close()


def run(request: dict[str, Any], streams: list[int], python: str) -> NoReturn:
    """Run the script of a request in this fork, with the client's streams, folder and environment, and exit.

    `os._exit` skips the release of all modules, which would copy the memory that the fork shares with the server.
    """
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    arguments = request["arguments"]
    path = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = [str(Path(arguments[0]).parent), *filter(None, path.split(os.pathsep))]
    sys.argv = arguments
    if Path(arguments[0]).name == "plain_snakemake.py":
        sys.executable = python  # Snakemake then starts its jobs as forks, too.
    try:
        runpy.run_path(arguments[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    os._exit(status)


def main() -> NoReturn:
    """Import the libraries and fork for each client; run the client's script in the fork."""
    address = sys.argv[1]
    server = Server(address)
    sys.argv = [""]
    for library in LIBRARIES:
        importlib.import_module(library)
    sys.path.pop(0)
    gc.freeze()  # Otherwise, each collection in a fork visits all imported objects and copies their memory.
    os.write(1, b"ready\n")
    request, streams = server.serve()
    run(request, streams, str(Path(address).with_name("python")))


if __name__ == "__main__":
    main()
