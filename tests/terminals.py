"""Terminals of a chosen size, in which tests run programs as a person would."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
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


def python(code, *arguments):
    """Return the command that runs some code."""
    return [sys.executable, "-c", code, *arguments]
