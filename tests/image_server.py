"""A web server with a behaviour on each path, run in a process of its own: `image_server.py <log> <seconds>`.

It prints its port, adds the path of each request to the log, and ends when its standard input is
closed or the seconds are over. Paths are /<test>/<behaviour>[/<argument>]/<name>, and pictures
differ by path, so that no two URLs have the same bytes unless the behaviour says so.
"""

import gzip
import hashlib
import http.server
import io
import os
import socket
import struct
import sys
import tarfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable

from PIL import Image

SLOW_PIECES_S = 0.1
LONGEST_S = 20.0
log_lock = threading.Lock()
asked: Counter[str] = Counter()
sent: Counter[str] = Counter()
inside: Counter[str] = Counter()
most: Counter[str] = Counter()


def picture(name: str, format_name: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (48, 40)) -> bytes:
    noise = b"".join(hashlib.sha256(f"{name}{number}".encode()).digest() for number in range(8))
    small = Image.frombytes("RGB", (8, 8), noise[:192]).resize(size)
    out = io.BytesIO()
    small.convert(mode).save(out, format_name)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, pixels: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def placeholder() -> bytes:
    """A PNG of as many bytes as Flickr's picture for a photo taken down; the picture itself is made up."""
    png = picture("placeholder", "PNG", "L", (40, 40))
    filling = 2051 - len(png) - 12
    assert filling > 0, len(png)
    return png[:-12] + chunk(b"tEXt", b"c\0" + b"x" * (filling - 2)) + png[-12:]


def content(size: int, version: str = "") -> bytes:
    """Bytes that differ from place to place, so that a file put together wrongly is not the right one."""
    return hashlib.shake_256(version.encode()).digest(size)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    used = False

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("http://"):  # Asked as a proxy.
            self.path = "/" + self.path.split("/", 3)[3]
        with log_lock:
            asked[self.path] += 1
            columns = (self.path, self.headers["User-Agent"], time.time(), self.headers["Range"] or "")
            os.write(LOG, ("\t".join(map(str, columns)) + "\n").encode())
        _, _, behaviour, *rest = self.path.split("/")
        getattr(self, f"on_{behaviour}")(*rest)

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def on_image(self, *_: str) -> None:
        self.answer(picture(self.path))

    def on_text(self, name: str) -> None:
        self.answer(name.encode() * 100_000)

    def on_headers(self, *_: str) -> None:
        """Say which headers came."""
        self.answer(str(self.headers).encode())

    def on_hop(self, host: str, *rest: str) -> None:
        """A redirect to another name or address of this machine, at the same port."""
        path = "/".join((self.path.split("/")[1], *rest))
        self.answer(b"", 302, Location=f"http://{host}:{self.server.server_address[1]}/{path}")

    def on_length(self, announced: str, *_: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + bytes.fromhex(announced) + b"\r\n\r\nsix is")
        self.close_connection = True

    def on_file(self, traits: str, size_bytes: str, *_: str) -> None:
        """A file that may be asked for by ranges; its traits, joined by +, are named in the code."""
        has, size, is_first = set(traits.split("+")), int(size_bytes), asked[self.path] == 1
        version = "" if is_first or "changes" not in has else "new"
        headers = {"Content-Encoding": "gzip"} if "packed" in has else {}
        headers |= {"ETag": f'"{version}"'} if "tag" in has else {}
        headers |= {"Last-Modified": f"Tue, 01 Feb 20{11 + len(version)} 00:00:00 GMT"} if "dated" in has else {}
        start, status = 0, 200
        is_same = self.headers["If-Range"] in (None, *headers.values()) or "credulous" in has
        if "login" in has and asked[self.path] == 2:
            page, headers = b"<html>Please log in</html>", {}
            if "chunked" in has:  # Then no header says how long the page is.
                page = b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)
                headers = {"Content_Length": "", "Transfer_Encoding": "chunked", "Content_Type": "text/html"}
            self.answer(page, **headers)
            return
        if not self.headers["Range"] and "gone" in has:
            self.answer(b"", 404)
            return
        if self.headers["Range"] and is_same and "whole" not in has:
            start, status = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) + ("shifted" in has), 206
            headers |= {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
            if start >= size or "refusing" in has:
                self.answer(b"", 416, Content_Range=f"bytes */{size}")
                return
        headers |= {} if "unmeasured" in has else {"Content-Length": str(size - start)}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        is_cut = has & {"lame", "portions"} or (is_first and has & {"cut", "stalls"})
        end = start + 1_200_000 if "portions" in has else size * (9 if "late" in has else 6) // 10
        self.paced(content(size, version)[start : end if is_cut else size], "slow" in has)
        if is_cut and "stalls" in has:
            time.sleep(2)
        self.close_connection = bool(is_cut) or "unmeasured" in has

    def on_tgz(self, mebibytes: str, traits: str, *_: str) -> None:
        """A compressed tar of a picture and zeros; its traits, joined by +, are named in the code."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
            for name, body in {"set/lion/a.jpg": picture(self.path), "rest": bytes(int(mebibytes) << 20)}.items():
                header = tarfile.TarInfo(name)
                header.size = len(body)
                tar.addfile(header, io.BytesIO(body))
        body = bytearray(out.getvalue() if "plain" not in traits else gzip.decompress(out.getvalue()))
        if "damaged" in traits:
            body[-200:] = bytes(200)
        self.answer(bytes(body[: len(body) // (2 if "half" in traits else 1)]))

    def on_sent(self, *path: str) -> None:
        """Say how many bytes of a file were sent."""
        self.answer(str(sent["/".join(("", self.path.split("/")[1], *path))]).encode())

    def paced(self, body: bytes, slow: bool) -> None:
        """Send a body, slowly and in small pieces if so wished."""
        if slow:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        for begin in range(0, len(body), 1 << 14):
            self.wfile.write(body[begin : begin + (1 << 14)])
            sent[self.path] += len(body[begin : begin + (1 << 14)])
            time.sleep(0.005 if slow else 0)

    def on_format(self, format_name: str, mode: str, *_: str) -> None:
        self.answer(picture(self.path, format_name, mode))

    def on_mortal(self, _name: str) -> None:
        if asked[self.path.replace("/mortal/", "/kill/")]:
            self.answer(b"", 404)
        else:
            self.answer(picture(self.path))

    def on_kill(self, _name: str) -> None:
        self.answer(b"")

    def on_same(self, *_: str) -> None:
        self.answer(picture("same"))

    def on_status(self, status: str, *_: str) -> None:
        self.answer(b"<html>no</html>", int(status))

    def on_flaky(self, failures: str, status: str, *_: str) -> None:
        if asked[self.path] <= int(failures):
            self.answer(b"later", int(status))
        else:
            self.answer(picture(self.path))

    def on_limited(self, retry_after: str, *_: str) -> None:
        if asked[self.path] == 1:
            self.answer(b"", 429, Retry_After=retry_after.replace("%20", " "))
        else:
            self.answer(picture(self.path))

    def on_late(self, milliseconds: str, *_: str) -> None:
        time.sleep(int(milliseconds) / 1000)
        self.answer(picture(self.path))

    def on_silent(self, *_: str) -> None:
        time.sleep(5)
        self.close_connection = True

    def on_drip(self, *_: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.dripped([b"\xff\xd8"] + [b"\0"] * 1000)

    def on_dripheaders(self, *_: str) -> None:
        self.dripped([b"HTTP/1.1 200 OK\r\n"] + [b"A: b\r\n"] * 1000)

    def on_dripline(self, *_: str) -> None:
        self.dripped([b"HTTP/1.1 200 OK\r\nX-Slow: "] + [b"x"] * 1000)

    def dripped(self, pieces: Iterable[bytes]) -> None:
        until = time.monotonic() + LONGEST_S
        for piece in pieces:
            if time.monotonic() > until:
                break
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(SLOW_PIECES_S)
        self.close_connection = True

    def on_reset(self, times: str, *_: str) -> None:
        if asked[self.path] > int(times):
            self.answer(picture(self.path))
            return
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(bytes(100))
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def on_once(self, *_: str) -> None:
        """An answer to the first request of a connection, and no byte to the second, as if it had died meanwhile."""
        if self.used:
            self.on_hangup()
            return
        self.used = True
        time.sleep(0.05)
        self.answer(picture(self.path))

    def on_hangup(self, *_: str) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def on_leaves(self, *_: str) -> None:
        """An answer that promises to keep the connection, which is closed."""
        self.answer(picture(self.path))
        self.close_connection = True

    def on_short(self, *_: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(picture(self.path))
        self.close_connection = True

    def on_endless(self, *_: str) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(10_000):
            self.wfile.write(bytes(10_000))
        self.close_connection = True

    def on_garbage(self, *_: str) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        self.close_connection = True

    def on_redirect(self, hops: str, name: str) -> None:
        test = self.path.split("/")[1]
        target = f"../{int(hops) - 1}/{name}" if int(hops) > 1 else f"/{test}/image/{name}"
        self.answer(b"", 302, Location=target)

    def on_moved(self, name: str, *_: str) -> None:
        test = self.path.split("/")[1]
        self.answer(b"", 302, Location=f"/{test}/image/{name}?from=here")

    def on_wordy(self, announced: str, sent: str, name: str) -> None:
        """A redirect with a body, which may be longer than anybody reads, or shorter than announced."""
        test = self.path.split("/")[1]
        self.send_response(302)
        self.send_header("Location", f"/{test}/image/{name}")
        self.send_header("Content-Length", announced)
        self.end_headers()
        self.wfile.write(bytes(int(sent)))
        self.close_connection = True

    def on_odd(self, name: str) -> None:
        """A redirect to an address with letters that may not stand in one, in UTF-8, and a space."""
        test = self.path.split("/")[1]
        self.wfile.write(f"HTTP/1.1 302 Found\r\nLocation: /{test}/image/Gänse und {name}\r\n".encode())
        self.wfile.write(b"Content-Length: 0\r\n\r\n")

    def on_falls(self, status: str, *_: str) -> None:
        """An error whose page never comes."""
        self.send_response(int(status))
        self.send_header("Content-Length", "100000")
        self.end_headers()
        time.sleep(5)
        self.close_connection = True

    def on_closed(self, retry_after: str, *_: str) -> None:
        self.answer(b"", 429, Retry_After=retry_after)

    def on_loop(self, *_: str) -> None:
        self.answer(b"", 301, Location=self.path)

    def on_sendto(self, address: str, *_: str) -> None:
        self.answer(b"", 302, Location=f"http://{address}/secret")

    def on_crowd(self, *_: str) -> None:
        test = self.path.split("/")[1]
        with log_lock:
            inside[test] += 1
            most[test] = max(most[test], inside[test])
        time.sleep(0.05)
        with log_lock:
            inside[test] -= 1
        self.answer(picture(self.path))

    def on_most(self, *_: str) -> None:
        self.answer(str(most[self.path.split("/")[1]]).encode())

    def on_tagged(self, tag: str, *_: str) -> None:
        self.answer(picture(self.path), X_Robots_Tag=tag.replace("%20", " "))

    def on_away(self, *_: str) -> None:
        self.answer(b"", 302, Location="file:///etc/hostname")

    def on_html(self, *_: str) -> None:
        self.answer(b"\n <!DOCTYPE html><html><body>Photo not available</body></html>", Content_Type="image/jpeg")

    def on_placeholder(self, *_: str) -> None:
        self.answer(placeholder())

    def on_empty(self, *_: str) -> None:
        self.answer(b"")

    def on_truncated(self, *_: str) -> None:
        whole = picture(self.path, size=(400, 400))
        self.answer(whole[: len(whole) // 2])

    def on_noise(self, *_: str) -> None:
        self.answer(hashlib.sha512(self.path.encode()).digest() * 50)

    def on_animated(self, *_: str) -> None:
        frames = [Image.open(io.BytesIO(picture(f"{self.path}{number}"))) for number in range(3)]
        out = io.BytesIO()
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
        self.answer(out.getvalue())

    def on_rotated(self, *_: str) -> None:
        out, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = 6
        Image.open(io.BytesIO(picture(self.path))).save(out, "JPEG", exif=exif)
        self.answer(out.getvalue())

    def on_deep(self, *_: str) -> None:
        """A grey PNG of sixteen bits."""
        out = io.BytesIO()
        values = hashlib.sha512(self.path.encode()).digest() * 100
        Image.frombytes("I;16", (50, 64), values).save(out, "PNG")
        self.answer(out.getvalue())

    def on_tiny(self, *_: str) -> None:
        self.answer(picture(self.path, size=(16, 200)))

    def on_bomb(self, *_: str) -> None:
        self.answer(png_of(30_000, 30_000, bytes(1000)))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what is tested."""


if __name__ == "__main__":
    LOG = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    ended.wait(float(sys.argv[2]))
