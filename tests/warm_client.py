"""Run a script in a copy of the process of `warm_python.py`: `warm_client.py <socket> <python> <arguments of Python>`.

It starts with each script, so that it imports little: `pathlib` and `socket` take longer than all else here.
"""

import _socket
import array
import json
import os
import signal
import sys

address, python, *arguments = sys.argv[1:]
if not arguments or arguments[0].startswith("-") or "PYTHONHASHSEED" in os.environ:
    os.execv(python, [python, *arguments])

client = _socket.socket(_socket.AF_UNIX)
client.connect(address)
request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
text = (json.dumps(request) + "\n").encode()
sent = client.sendmsg([text], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
while sent < len(text):
    sent += client.send(text[sent:])


def number() -> int:
    """Return the number that the server says next."""
    said = b""
    while not said.endswith(b"\n"):
        said += client.recv(1) or sys.exit("The process of warm_python.py has ended.")
    return int(said)


pid = number()
for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(one, lambda sent, frame: os.kill(pid, sent))
status = number()
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
