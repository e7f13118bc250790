"""A fetch killed ten times at random gives the same result as an undisturbed one."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fetch_jobs import HEN, LION, Job, cached_keys, images, timeless

from parley.dataset.listing import image_key

pytestmark = pytest.mark.slow
KILLS = 10
THREADS = 4


@pytest.mark.parametrize("seed", [1, 2])
def test_ten_kills_lose_no_finished_image_and_change_no_file(web, tmp_path, seed):
    chance = random.Random(seed)
    dead = [*images(web, 12, "status/404"), *images(web, 6, "same"), *images(web, 6, "html")]
    job = Job(tmp_path, {LION: [*images(web, 40, "late/15"), *dead], HEN: images(web, 40, "late/15", start=100)})
    script = [sys.executable, str(Path(__file__).with_name("fetch_process.py")), str(tmp_path), str(THREADS)]
    for _ in range(KILLS):
        goal, until = len(cached_keys(tmp_path)) + chance.randint(0, 6), time.monotonic() + 30
        with subprocess.Popen(script) as process:
            while len(cached_keys(tmp_path)) < goal and process.poll() is None and time.monotonic() < until:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
    kept = cached_keys(tmp_path)
    assert len(kept) >= KILLS
    subprocess.run(script, check=True, timeout=60)
    asked = Counter(image_key(web.url(path)) for path in web.requests())
    # Answers that were not stored when the process was killed are requested again: at most those in flight.
    assert asked.total() - len(asked) <= KILLS * THREADS
    subprocess.run(script, check=True, timeout=60)
    assert len(web.requests()) == asked.total()
    job.fetch(cache="other", out="undisturbed")
    assert len(web.requests()) - asked.total() == len(asked), "an undisturbed run requests the same URLs"
    for name in ("lion", "hen"):
        assert (tmp_path / f"images/{name}.tar").read_bytes() == (tmp_path / f"undisturbed/{name}.tar").read_bytes()
        assert timeless(job.manifest(name)) == timeless(job.manifest(name, "undisturbed"))
    assert not list((tmp_path / "images").glob(".*")), "no temporary files are left"
