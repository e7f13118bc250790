"""A process that was told so keeps what it frees."""

import ctypes
import ctypes.util
import subprocess
import sys

import pytest

LOOP = """
import resource, sys
import numpy as np
from parley.training.allocation import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def work():
    # As an exchange after the other does: several blocks live at once, and all are freed in the end.
    return [np.ones(1 << 20) for _ in range(6)]

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(ctypes.util.find_library("c")), "mallopt"), reason="only glibc can be told so"
)
def test_blocks_are_not_given_back_and_asked_for_anew():
    def pages_touched_first(how):
        done = subprocess.run([sys.executable, "-c", LOOP, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert pages_touched_first("keep") < pages_touched_first("give back") / 10
