"""Damage done to valid files, as Hypothesis strategies: what disks, copies, editors and attackers do to bytes."""

import struct
from collections.abc import Callable

from hypothesis import strategies as st

Damage = Callable[[bytes], bytes]
_ODD_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
_ODD_TEXTS = (
    *(
        b"../../x",
        b"/etc/passwd",
        b"\0",
        b"NaN",
        b"1e999",
        b"-1",
        b"9" * 40,
        b"null",
        b"true",
        b"{}",
        b"[]",
        b'"',
        b"\t",
    ),
    *(b"\r\n", b"\xff\xfe", b"\xe2\x80\xa8", "а".encode(), b"%s", b"&a [*a]", b"!!python/object:os.system x"),
)


def _at(content: bytes, share: float) -> int:
    return min(int(share * len(content)), max(len(content) - 1, 0))


def _flip(share: float, bit: int) -> Damage:
    def damage(content: bytes) -> bytes:
        place = _at(content, share)
        return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :] if content else content

    return damage


def _number(share: float, value: int, width: int, order: str) -> Damage:
    def damage(content: bytes) -> bytes:
        place = _at(content, share)
        put = struct.pack(f"{order}Q", value)[:width] if order == "<" else struct.pack(">Q", value)[-width:]
        return content[:place] + put + content[place + width :]

    return damage


def _insert(share: float, text: bytes, instead: int) -> Damage:
    return lambda content: content[: _at(content, share)] + text + content[_at(content, share) + instead :]


def _doubled_line(share: float) -> Damage:
    def damage(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True) or [b""]
        place = min(int(share * len(lines)), len(lines) - 1)
        return b"".join(lines[: place + 1] + lines[place:])

    return damage


def _moved(share: float, other: float, length: int) -> Damage:
    """Put a stretch of the file in another place: structure where none belongs."""

    def damage(content: bytes) -> bytes:
        source, place = _at(content, share), _at(content, other)
        stretch = content[source : source + length]
        return content[:place] + stretch + content[place + len(stretch) :]

    return damage


_shares = st.floats(0, 1, allow_nan=False)
_one = st.one_of(
    st.builds(_flip, _shares, st.integers(0, 7)),
    st.builds(_number, _shares, st.sampled_from(_ODD_NUMBERS), st.sampled_from((1, 2, 4, 8)), st.sampled_from("<>")),
    st.builds(_insert, _shares, st.sampled_from(_ODD_TEXTS), st.integers(0, 8)),
    st.builds(_insert, _shares, st.binary(max_size=16), st.integers(0, 16)),
    st.builds(_doubled_line, _shares),
    st.builds(_moved, _shares, _shares, st.integers(1, 64)),
    st.builds(lambda share: lambda content: content[: _at(content, share)], _shares),
)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Return files that some damage makes of a valid one, and now and then just bytes."""

    def applied(damages: list[Damage]) -> bytes:
        result = content
        for damage in damages:
            result = damage(result)
        return result

    return st.one_of(st.lists(_one, min_size=1, max_size=4).map(applied), st.binary(max_size=200))
