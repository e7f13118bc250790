"""Freed memory is reused instead of being returned to the system."""

import ctypes
import ctypes.util
import subprocess
import sys

import pytest

LOOP = """
import resource, sys
import numpy as np
from parley.training.loop import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def work():
    # Like a rollout: several blocks are in use at once, and all are freed at the end.
    return [np.ones(1 << 20) for _ in range(6)]

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(ctypes.util.find_library("c")), "mallopt"), reason="needs glibc")
def test_freed_blocks_are_reused():
    def page_faults(how):
        done = subprocess.run([sys.executable, "-c", LOOP, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert page_faults("keep") < page_faults("return") / 10
