"""A disk that becomes full during a fetch and later has space again."""

from collections import Counter

import pytest
from fetch_jobs import HEN, LION, Job, cached_keys, images

from parley.core.errors import ParleyError
from parley.dataset.listing import image_key


def test_a_full_cache_is_reported_and_a_rerun_continues(web, tmp_path, small_disk):
    job = Job(tmp_path, {LION: images(web, 40, "late/5"), HEN: images(web, 40, "late/5", start=100)})
    small_disk.mount(tmp_path / "cache", 100_000)
    with pytest.raises(ParleyError, match=r"image cache .* cannot be written to \(No space left on device\)"):
        job.fetch()
    kept = cached_keys(tmp_path)
    assert kept
    assert not list((tmp_path / "cache").rglob("*.part"))
    small_disk.make_room(tmp_path / "cache")
    assert job.fetch().ok == 54
    asked = Counter(image_key(web.url(path)) for path in web.requests())
    assert {asked[key] for key in kept} == {1}
    job.fetch(
        cache="other",
        out="undisturbed",
    )
    for name in ("lion", "hen"):
        assert (tmp_path / f"images/{name}.tar").read_bytes() == (tmp_path / f"undisturbed/{name}.tar").read_bytes()


def test_a_full_disk_for_the_tars_is_reported_and_a_rerun_requests_nothing(web, tmp_path, small_disk):
    job = Job(tmp_path, {LION: images(web, 40)})
    small_disk.mount(tmp_path / "images", 16_384)
    with pytest.raises(ParleyError, match=r"lion\.tar cannot be written \(No space left on device\)"):
        job.fetch()
    assert list((tmp_path / "images").iterdir()) == []
    requests = len(web.requests())
    small_disk.make_room(tmp_path / "images")
    assert job.fetch().ok == 27
    assert len(web.requests()) == requests
    assert len(job.members()) == 27
