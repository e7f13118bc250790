"""Calls without root's right to read and write every file, for tests of permissions that run as root too."""

import ctypes
import os

# Of capabilities(7): the version of the structures, and the bits of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
VERSION, FILES = 0x20080522, 1 << 1 | 1 << 2


def unprivileged(call):
    """Return the text that `call` returns in a copy of this process without these rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading) as stream:
            text = stream.read()
        assert os.waitpid(child, 0)[1] == 0, text
        return text
    try:
        _drop_rights()
        os.write(writing, call().encode())
    except BaseException as error:
        os.write(writing, repr(error).encode())
        os._exit(1)
    os._exit(0)


def _drop_rights():
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0, os.strerror(ctypes.get_errno())
    for number in range(3):  # The effective, permitted and inheritable sets. The others are of higher capabilities.
        sets[number] &= 0xFFFFFFFF ^ FILES
    assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
