"""The weighted semaphore never exceeds its total and starves no thread."""

import subprocess
import sys
import threading
import time

import pytest

from parley.dataset.fetch.validate import WeightedSemaphore


def test_the_total_is_never_exceeded_and_no_thread_starves():
    room, lock, inside, seen, done = WeightedSemaphore(10), threading.Lock(), [], [], []

    def take(amount):
        for _ in range(20):
            with room.taken(amount):
                with lock:
                    inside.append(amount)
                    seen.append(tuple(inside))
                time.sleep(0.0005)
                with lock:
                    inside.remove(amount)
        done.append(amount)

    amounts = [1, 2, 3, 5, 8, 25]
    threads = [threading.Thread(target=take, args=(amount,)) for amount in amounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == amounts
    assert all(sum(those) <= 10 or those == (25,) for those in seen)
    assert any(len(those) > 1 for those in seen)


def test_the_amount_is_released_after_an_exception():
    room = WeightedSemaphore(1)
    for _ in range(3):
        try:
            with room.taken(1):
                raise ValueError
        except ValueError:
            pass


VALIDATE_SIX = """
import hashlib, io, resource, sys
from concurrent.futures import ThreadPoolExecutor
from made_images import flat_png
from parley.dataset.fetch.validate import validate
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.image_formats import open_image
body = flat_png(8, 6, (1, 2, 3, 4), 5000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ThreadPoolExecutor(6) as pool:
    decisions = list(pool.map(lambda _: validate(body, "0" * 64, FetchOptions()), range(6)))
assert {decision.error for decision in decisions} == {None}, decisions
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_large_images_are_not_all_decoded_at_once():
    """Converting an RGBA image of 25 million pixels to RGB takes 400 MB; six at once would take 2,400 MB."""
    done = subprocess.run([sys.executable, "-c", VALIDATE_SIX], cwd="tests", capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1200
