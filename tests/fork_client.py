"""Client of the fork server: `fork_client.py <socket> <python> <script or options> ...` runs a script in a fork.

It runs for every script, so it avoids `pathlib` and `socket`, which take longer to import than all else here.
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


def receive_number() -> int:
    """Receive a number from the server."""
    received = b""
    while not received.endswith(b"\n"):
        received += client.recv(1) or sys.exit("The fork server has ended.")
    return int(received)


pid = receive_number()
for forwarded in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(forwarded, lambda number, frame: os.kill(pid, number))
status = receive_number()
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
