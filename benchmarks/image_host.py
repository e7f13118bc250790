"""A quick server of pictures on loopback, in a process of its own: `image_host.py <pictures> <seconds> [drawn]`.

It prints its port, and ends when its standard input is closed or the seconds are over. Path /<number>.jpg
is a JPEG of about 40 kB; all have the same pixels and different bytes, as each has its number in a comment.
With `drawn` each is a small picture of its own, made when it is asked for: any number of them takes no memory.
"""

import asyncio
import io
import struct
import sys
import threading

import numpy as np
from PIL import Image

WIDTH, HEIGHT, COARSE = 500, 375, 7


def photograph() -> bytes:
    """A JPEG that costs about as much to send and to decode as a photograph of its size."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (HEIGHT // COARSE, WIDTH // COARSE, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(out, "JPEG", quality=76)
    return out.getvalue()


def numbered(jpeg: bytes, number: int) -> bytes:
    comment = str(number).encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]


def drawn(number: int) -> bytes:
    """A JPEG of 64 x 64 pixels and about 2 kB that looks like no other."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()


def answer(body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Host(asyncio.Protocol):
    """Answers one GET after another on a connection, from memory."""

    answers: dict[bytes, bytes] = {}  # noqa: RUF012

    def connection_made(self, transport) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        *requests, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for request in requests:
            self.transport.write(self.answer_to(request.split(b" ", 2)[1]))

    def answer_to(self, path: bytes) -> bytes:
        return self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


class Painter(Host):
    """Draws each picture as it is asked for."""

    def answer_to(self, path: bytes) -> bytes:
        return answer(drawn(int(path[1:].partition(b".")[0])))


async def serve(seconds: float, host: type[Host]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(host, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except TimeoutError:
        print("the time is over", file=sys.stderr)


if __name__ == "__main__":
    if "drawn" in sys.argv:
        asyncio.run(serve(float(sys.argv[2]), Painter))
    else:
        jpeg = photograph()
        for index in range(int(sys.argv[1])):
            Host.answers[f"/{index}.jpg".encode()] = answer(numbered(jpeg, index))
        asyncio.run(serve(float(sys.argv[2]), Host))
