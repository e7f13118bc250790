import json
from pathlib import Path

import pytest
from unprivileged import unprivileged

from parley.core.errors import ParleyError
from parley.dataset.fetch.cache import Cache
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import Answer, ErrorClass
from parley.dataset.listing import image_key

URL = "http://example.org/Gänse.jpg"
KEY = image_key(URL)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(URL, body=b"line one\nline two\n\x00\xff", http_status=200, attempts=2, seconds=1.25),
        Answer(URL, body=b"", http_status=200),
        Answer(URL, error=ErrorClass.NOT_FOUND, http_status=404),
        Answer(URL, error=ErrorClass.DNS),
    ],
)
def test_a_stored_answer_is_loaded_unchanged(tmp_path, answer):
    cache = Cache(tmp_path / "cache", FetchOptions(max_bytes=1000))
    assert cache.load(KEY) is None
    cache.store(KEY, answer)
    assert cache.load(KEY) == answer


def test_a_later_answer_replaces_an_earlier_one(tmp_path):
    cache = Cache(tmp_path, FetchOptions(max_bytes=1000))
    cache.store(KEY, Answer(URL, error=ErrorClass.READ_TIMEOUT))
    cache.store(KEY, Answer(URL, body=b"image", http_status=200))
    assert cache.load(KEY).body == b"image"


@pytest.mark.parametrize("left", [0, 1, 40, -1])
def test_truncated_or_damaged_files_are_ignored(tmp_path, left):
    cache = Cache(tmp_path, FetchOptions(max_bytes=1000))
    cache.store(KEY, Answer(URL, body=b"image bytes", http_status=200))
    path = Path(cache.path_of(KEY))
    path.write_bytes(path.read_bytes()[:left])
    assert cache.load(KEY) is None
    path.write_bytes(b'{"format": 1}\n')
    assert cache.load(KEY) is None
    path.write_bytes(b"[1, 2]\n")
    assert cache.load(KEY) is None


@pytest.mark.parametrize(
    "change", [{"max_bytes": ...}, {"max_bytes": "many"}, {"max_bytes": None}, {"seconds": "long"}]
)
@pytest.mark.parametrize("answer", [Answer(URL, body=b"image"), Answer(URL, error=ErrorClass.TOO_LARGE)])
def test_headers_with_invalid_values_are_ignored(tmp_path, answer, change):
    cache = Cache(tmp_path, FetchOptions())
    cache.store(KEY, answer)
    line, _, body = Path(cache.path_of(KEY)).read_bytes().partition(b"\n")
    head = {name: value for name, value in {**json.loads(line), **change}.items() if value is not ...}
    Path(cache.path_of(KEY)).write_bytes(json.dumps(head).encode() + b"\n" + body)
    assert cache.load(KEY) is None


def test_too_large_is_requested_again_only_under_a_higher_limit(tmp_path):
    Cache(tmp_path, FetchOptions(max_bytes=1000)).store(KEY, Answer(URL, error=ErrorClass.TOO_LARGE, http_status=200))
    assert Cache(tmp_path, FetchOptions(max_bytes=1000)).load(KEY).error is ErrorClass.TOO_LARGE
    assert Cache(tmp_path, FetchOptions(max_bytes=500)).load(KEY).error is ErrorClass.TOO_LARGE
    assert Cache(tmp_path, FetchOptions(max_bytes=1001)).load(KEY) is None


def test_an_image_stored_under_a_higher_limit_is_too_large_under_a_lower_one(tmp_path):
    Cache(tmp_path, FetchOptions(max_bytes=1000)).store(KEY, Answer(URL, body=bytes(900), http_status=200))
    answer = Cache(tmp_path, FetchOptions(max_bytes=899)).load(KEY)
    assert (answer.error, answer.body, answer.http_status) == (ErrorClass.TOO_LARGE, None, 200)
    assert Cache(tmp_path, FetchOptions(max_bytes=900)).load(KEY).error is None


def test_an_opted_out_image_stored_by_another_run_is_rejected(tmp_path):
    disobedient = FetchOptions(obey_robots_tag=False)
    Cache(tmp_path, disobedient).store(KEY, Answer(URL, body=b"image", http_status=200, opted_out=True))
    assert Cache(tmp_path, disobedient).load(KEY).body == b"image"
    answer = Cache(tmp_path, FetchOptions()).load(KEY)
    assert (answer.error, answer.body) == (ErrorClass.OPTED_OUT, None)


def test_answers_from_private_addresses_are_used_only_if_those_are_allowed(tmp_path):
    lax = FetchOptions(allow_private_hosts=True)
    Cache(tmp_path, lax).store(KEY, Answer(URL, body=b"image", http_status=200, from_private=True))
    assert Cache(tmp_path, lax).load(KEY).body == b"image"
    assert Cache(tmp_path, FetchOptions()).load(KEY) is None


def test_an_unreadable_answer_is_an_error(tmp_path):
    cache = Cache(tmp_path, FetchOptions())
    Path(cache.path_of(KEY)).mkdir(parents=True)  # Unreadable like a file without permission, but also for root.
    for read in (cache.load, cache.body):
        with pytest.raises(ParleyError, match=r"image cache .* cannot be read"):
            read(KEY)


def test_a_read_only_folder_is_an_error(tmp_path):
    def store():
        with pytest.raises(ParleyError) as caught:
            Cache(tmp_path, FetchOptions(max_bytes=1000)).store(KEY, Answer(URL, body=b"image"))
        return str(caught.value)

    tmp_path.chmod(0o500)
    assert "cannot be written to" in unprivileged(store)


def test_a_cache_path_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(ParleyError, match=r"image cache .* cannot be written to"):
        Cache(tmp_path / "cache", FetchOptions(max_bytes=1000)).store(KEY, Answer(URL, body=b"image"))


def test_no_temporary_files_are_left(tmp_path):
    cache = Cache(tmp_path, FetchOptions(max_bytes=1000))
    cache.store(KEY, Answer(URL, body=b"image"))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [KEY]
