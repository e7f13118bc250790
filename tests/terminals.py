"""Terminals of a chosen size, in which tests run programs as a person would."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def seen(*programs, rows=24, columns=80, cwd=None, env=None):
    """Run programs side by side in one terminal; return what they wrote to it and their exit statuses."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    written: list[bytes] = []

    def read():
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # What Linux says when the last program has closed its end.
                return
            written.append(chunk)

    reader = threading.Thread(target=read)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm", **(env or {})}
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        if name not in (env or {}):
            environment.pop(name, None)
    running = [
        subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment)
        for program in programs
    ]
    os.close(theirs)
    reader.start()
    statuses = [process.wait(timeout=900) for process in running]
    reader.join(timeout=60)
    os.close(ours)
    return b"".join(written).decode(), statuses


def interrupted(program, ready, cwd, patience=300):
    """Run a program in a terminal of its own and press Ctrl-C once `ready()`.

    Returns what it wrote, its exit status, and how many seconds it took to end.
    """
    child, ours = pty.fork()
    if child == 0:  # The leader of a session whose terminal sends SIGINT to all that it started.
        os.chdir(cwd)
        os.environ["TERM"] = "xterm"
        os.execvp(program[0], program)
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    written, pressed, until = [], 0.0, time.monotonic() + patience
    try:
        while True:
            if select.select([ours], [], [], 0.02)[0]:
                try:
                    written.append(os.read(ours, 65536))
                except OSError:
                    break
            if not pressed and ready():
                pressed = time.monotonic()
                os.write(ours, b"\x03")
            if time.monotonic() > until:
                os.killpg(child, signal.SIGKILL)
                until += patience
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(ours)
    assert pressed, b"".join(written).decode()[-6000:]
    return b"".join(written).decode(), status, time.monotonic() - pressed


def python(code, *arguments):
    """Return the command that runs some code."""
    return [sys.executable, "-c", code, *arguments]
