"""A file made again with the same bytes keeps its date; one with others does not."""

import os

from parley.core.files import keep_date


def make(path, content, seconds):
    path.write_bytes(content)
    os.utime(path, (seconds, seconds))


def test_the_date_is_that_of_the_last_change(tmp_path):
    path = tmp_path / "ant.tar"
    make(path, b"one", 1000)
    assert keep_date(path)
    make(path, b"one", 2000)
    assert keep_date(path)
    assert path.stat().st_mtime == 1000
    make(path, b"two", 3000)
    assert not keep_date(path)
    assert path.stat().st_mtime == 3000
    # Back to the first content: what was made of the second must be made again.
    make(path, b"one", 4000)
    assert not keep_date(path)
    assert path.stat().st_mtime == 4000
