"""The whole line, killed, on full disks, and with other numbers of cores, comes to what it comes to undisturbed.

`PARLEY_CHAOS_SEED` and `PARLEY_CHAOS_KILLS` set the moments of the kills; the seed is printed. `PARLEY_LONG` makes them
twenty.
"""

import os
import shutil
import sys
import time

import pytest
import same_bytes
import whole_lines
import yaml

from parley.dataset.listing import image_key

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("PARLEY_CHAOS_SEED") or time.time_ns() % 1_000_000)
KILLS = int(os.environ.get("PARLEY_CHAOS_KILLS") or (20 if os.environ.get("PARLEY_LONG") else 5))


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory):
    pictures = tmp_path_factory.mktemp("pictures")
    whole_lines.write_pictures(pictures)
    return serve(pictures)


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    whole_lines.write_experiment(folder, server.address)
    whole_lines.run(folder)
    return folder, list(server.requests())


def test_kills_at_random_moments_change_nothing(server, undisturbed, tmp_path):
    sys.stdout.write(f"PARLEY_CHAOS_SEED={SEED}\n")
    calm, asked_calmly = undisturbed
    whole_lines.write_experiment(tmp_path, server.address)
    before, known, killed = len(server.requests()), {}, 0
    for moment in whole_lines.moments(SEED, KILLS):
        killed += not whole_lines.kill_at_random(tmp_path, moment)
        asked = len(server.requests())
        known |= {key: asked for key in whole_lines.cached_keys(tmp_path) if key not in known}
    told = whole_lines.run(tmp_path)
    assert killed >= KILLS // 2, f"most of the {KILLS} moments were after the end"
    assert "Traceback" not in told
    all_asked = server.requests()
    for key, since in known.items():
        assert all(image_key(server.address + path) != key for path in all_asked[since:]), "kept, and asked for again"
    asked = all_asked[before:]
    assert set(asked) == set(asked_calmly)
    # What was under way when a kill came is asked for again: no more than could be.
    assert len(asked) - len(set(asked)) <= killed * whole_lines.PER_HOST
    assert whole_lines.half_written(tmp_path) == []
    assert not list((tmp_path / ".snakemake/locks").glob("*"))
    assert not list((tmp_path / ".snakemake/parley/running").glob("*.json"))
    assert same_bytes.differing(calm, tmp_path) == []
    # What is made on request is told of in provenance.json by the call after the one that made it.
    whole_lines.run(tmp_path)
    assert "Nothing to be done" in whole_lines.run(tmp_path)


def test_other_cores_and_groups_change_nothing(server, undisturbed, tmp_path):
    calm, _ = undisturbed
    path = whole_lines.write_experiment(tmp_path, server.address)
    config = yaml.safe_load(path.read_text())
    config["fetch"]["classes_per_job"], config["features"]["classes_per_job"] = 1, 2
    path.write_text(yaml.safe_dump(config))
    whole_lines.run(tmp_path, cores=1)
    # What the config says is written down in these.
    told = ["results/tiny/config.yaml", "results/tiny/report.html"]
    assert [name for name in same_bytes.differing(calm, tmp_path) if name not in told] == []


def test_full_disks_at_three_stages_need_only_a_rerun(server, undisturbed, tmp_path, small_disk):
    calm, _ = undisturbed
    whole_lines.write_experiment(tmp_path, server.address)
    (tmp_path / "results/tiny").mkdir(parents=True)
    (tmp_path / "resources").mkdir()
    stages = (("resources/cache", 40_000, "splits"), ("resources/features", 40_000, "features"))
    for folder, size, target in (*stages, ("results/tiny/runs", 400_000, "evaluate")):
        small_disk.mount(tmp_path / folder, size)
        told = whole_lines.run(tmp_path, targets=(target,), ok=False)
        assert "No space left on device" in told
        assert "run again: f" in told
        assert "Traceback" not in told
        asked = len(server.requests())
        small_disk.make_room(tmp_path / folder)
        whole_lines.run(tmp_path, targets=(target,))
        assert target == "splits" or len(server.requests()) == asked
    assert whole_lines.half_written(tmp_path) == []
    made = [path for path in whole_lines.files_in(tmp_path) if "/.made/" not in path]
    assert any(path.endswith("evaluation.json") for path in made)
    assert [path for path in same_bytes.differing(calm, tmp_path) if path in made] == []


def test_a_read_only_cache_is_read_and_missing_images_are_reported(server, undisturbed, tmp_path, small_disk):
    calm, _ = undisturbed
    whole_lines.write_experiment(tmp_path, server.address)
    (tmp_path / "resources").mkdir()
    cache = tmp_path / "resources/cache"
    small_disk.mount(cache, 1 << 24)
    shutil.copytree(calm / "resources/cache", cache, dirs_exist_ok=True)
    asked = len(server.requests())
    small_disk.make_read_only(cache)
    whole_lines.run(tmp_path, targets=("splits",))
    assert len(server.requests()) == asked
    made = "results/tiny/splits.tsv"
    assert (tmp_path / made).read_bytes() == (calm / made).read_bytes()
    small_disk.make_room(cache)
    for path in cache.glob("*/*"):
        path.unlink()
    small_disk.make_read_only(cache)
    shutil.rmtree(tmp_path / "resources/images")
    told = whole_lines.run(tmp_path, targets=("splits",), ok=False)
    assert "image cache resources/cache cannot be written to (Read-only file system)" in told
    assert "Traceback" not in told
