"""How the C library hands memory out, set for loops that ask for the same large blocks again and again."""

import ctypes
import ctypes.util
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters, from glibc's malloc.h."""
KEPT_BYTES = 1 << 28
"""Blocks up to this size are taken from memory that was freed before, and so much of it is kept."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees instead of giving it back to the system; return whether it could be told.

    By default glibc gives blocks of some megabytes back at once and asks for them anew a moment later, and
    the system then clears every page at its first touch: with visual attention a sixth of a training step.
    Other C libraries have their own ways, and are left to them.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    if not hasattr(library, "mallopt"):
        return False
    told = [library.mallopt(name, KEPT_BYTES) for name in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)]
    return told == [1, 1]
