"""Python that starts with the large libraries already imported: `warm_python()` is a command like `sys.executable`.

Snakemake takes two seconds to import and torch three, and a test of the whole workflow starts some forty processes. The
command runs a script in a copy (a fork) of a process that has imported the libraries, but nothing of Parley, and that
has used none of them: for the script, only the time of its imports differs. Signals, standard streams, the working
folder, the environment and the exit status are those of the command. Options of Python, such as ``-c``, and another
hash seed need a process of their own, which they get.

Run as a script, this file is the process that is copied: `warm_python.py <socket>`.
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
CLIENT = Path(__file__).with_name("warm_client.py")


@cache
def warm_python() -> str:
    """Start the process that is copied, which ends with this one; return the command."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    atexit.register(lambda: [path.unlink() for path in folder.iterdir()] and folder.rmdir())
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
    """The process that is copied."""

    def __init__(self, address: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.running: dict[int, socket.socket] = {}
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(address)
        self.listening.listen(64)
        self.woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self.woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.listening, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ, self.tell_of_the_ended)
        self.selector.register(0, selectors.EVENT_READ, self.end)

    def serve(self) -> tuple[dict[str, Any], list[int]]:
        """Answer clients; return, in the copy, what it is to run and its standard streams."""
        while True:
            ready = {key.fileobj: key.data for key, _ in self.selector.select()}
            # Before a new one starts, as if the client had been the process: a killed one's copy has ended.
            asked = ready.pop(self.listening, False) is None
            for act in ready.values():
                act()
            if asked:
                client, _ = self.listening.accept()
                if request := self.copy(client):
                    return request

    def copy(self, client: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
        """Start a copy of this process; return in the copy what it is to run, here nothing."""
        text, streams, _, _ = socket.recv_fds(client, 1 << 20, 3)
        if not text:
            client.close()
            return None
        while not text.endswith(b"\n"):
            text += client.recv(1 << 20)
        if pid := os.fork():
            for stream in streams:
                os.close(stream)
            self.running[pid] = client
            self.selector.register(client, selectors.EVENT_READ, lambda: self.kill(pid))
            client.sendall(f"{pid}\n".encode())
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for one in (self.listening, client, *self.running.values()):
            one.close()
        return json.loads(text), streams

    def kill(self, pid: int) -> None:
        """Kill a copy whose client is no longer there."""
        if pid not in self.running:
            return
        self.selector.unregister(self.running[pid])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.running.pop(pid).close()

    def end(self) -> None:
        """End this process and its copies: the tests have ended."""
        for pid in list(self.running):
            self.kill(pid)
        os._exit(0)

    def tell_of_the_ended(self) -> None:
        """Send each ended copy's exit status to its client."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.woken, 1 << 16)
        for pid, client in list(self.running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.selector.unregister(client)
                with contextlib.suppress(OSError):
                    client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                self.running.pop(pid).close()


def run(request: dict[str, Any], streams: list[int], python: str) -> NoReturn:
    """Make of this process what was asked for, run the script, and end.

    What Python does last, to free all modules one by one, would first copy their memory.
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
        sys.executable = python  # So that its jobs are copies, too.
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
    """Import the libraries and answer clients; run, in each copy, its script."""
    address = sys.argv[1]
    server = Server(address)
    sys.argv = [""]
    for library in LIBRARIES:
        importlib.import_module(library)
    sys.path.pop(0)
    gc.freeze()  # Or each collection in a copy looks at all that was imported.
    os.write(1, b"ready\n")
    request, streams = server.serve()
    run(request, streams, str(Path(address).with_name("python")))


if __name__ == "__main__":
    main()
