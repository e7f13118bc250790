"""Serve a folder on loopback: `file_server.py <folder> <log> <seconds>`.

Prints its port, adds the path of each request to the log, and ends when its standard input is closed
or the seconds are over.
"""

import functools
import http.server
import os
import sys
import threading
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log: Path

    def log_message(self, *_: object) -> None:
        pass

    def send_head(self):
        with self.log.open("a") as stream:
            stream.write(self.path + "\n")
        return super().send_head()


def main() -> None:
    folder, Handler.log, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()
    sys.stdin.read()


main()
