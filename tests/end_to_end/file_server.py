"""Serve a folder on loopback: `file_server.py <folder> <log> <seconds>`.

Prints its port, adds the path of each request to the log, with the header Range if there is one, and ends when its
standard input is closed or the seconds are over.

Below `/page/`, every file is a web page. Below `/wrong/`, the last byte of every file is another. Below `/faulty/`, the
first answer stops after 40 % of the file and keeps the connection open; the first one to continue a file, or to begin
any further file, ends after 60 %. The rest of a file is sent if asked for by Range.
"""

import functools
import http.server
import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import ClassVar

PAGE = b"<!DOCTYPE html><p>Log in to download"


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log: Path
    faulty: ClassVar[Counter] = Counter()

    def log_message(self, *_: object) -> None:
        pass

    def send_head(self):
        self.write_log()
        return super().send_head()

    def do_GET(self):
        kind, _, name = self.path.lstrip("/").partition("/")
        path = Path(self.translate_path(f"/{name}"))
        if kind not in ("page", "wrong", "faulty") or not path.is_file():
            super().do_GET()
            return
        self.write_log()
        body = path.read_bytes()
        if kind == "faulty":
            self.send_faulty(name, body)
        else:
            self.send_part(PAGE if kind == "page" else body[:-1] + bytes([body[-1] ^ 1]))

    def send_faulty(self, name, body):
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        stalls = not self.faulty
        self.faulty[name] += 1
        if stalls:
            self.send_part(body, start, len(body) * 2 // 5)
            self.connection.recv(1)  # Until the other side closes it.
        elif self.faulty["cut", name]:
            self.send_part(body, start)
        else:
            self.faulty["cut", name] += 1
            self.send_part(body, start, len(body) * 3 // 5)
        self.close_connection = True

    def send_part(self, body, start=0, end=None):
        """Send the bytes from a start to an end, under headers that announce all from the start."""
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", f'"{hash(body)}"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(body[start:end])
        self.wfile.flush()

    def write_log(self):
        asked = self.headers.get("Range")
        with self.log.open("a") as stream:
            stream.write(f"{self.path} {asked}\n" if asked else f"{self.path}\n")


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
