"""Fetch candidates concurrently from local files, the cache or the web, and validate their images."""

import os
import stat
import tarfile
import threading
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

from parley.core.files import is_web_url
from parley.core.tar_headers import is_file, members_of
from parley.dataset.fetch.cache import Cache
from parley.dataset.fetch.client import Client
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import TRANSIENT, UNREACHABLE, Answer, Decision, ErrorClass, FetchResult
from parley.dataset.fetch.validate import fetch_result

_TAR_MARK = ".tar!"
Candidate = tuple[str, str]
"""Image key, and URL or local path."""
_POLL_S = 0.01
# Decoding releases the GIL, but using more threads than this gives no further speed-up.
_MAX_VALIDATORS = 8


class LocalFiles:
    """Reads the images that an image source lists by local path; safe to share between threads.

    After links are resolved, every path must lie in `root`. Images larger than `max_bytes` are rejected.
    """

    def __init__(self, root: str | Path, max_bytes: int) -> None:
        self._root = Path(root).resolve()
        self._max_bytes = max_bytes
        self._indices: dict[Path, dict[str, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def get(self, entry: str) -> Answer:
        """Read an image, given as a path relative to the root or as `<tar>!<member>`."""
        try:
            return self._read(entry)
        except (FileNotFoundError, NotADirectoryError):
            return Answer(entry, error=ErrorClass.MISSING)
        # A NUL in the path raises ValueError; a cycle of symbolic links raises RuntimeError.
        except (OSError, tarfile.TarError, ValueError, RuntimeError):
            return Answer(entry, error=ErrorClass.UNREADABLE)

    def _read(self, entry: str) -> Answer:
        name, mark, member = entry.partition(_TAR_MARK)
        path = (self._root / (name + mark[:-1])).resolve()
        if not path.is_relative_to(self._root):
            return Answer(entry, error=ErrorClass.OUTSIDE_ROOT)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # Opening a pipe would block.
            return Answer(entry, error=ErrorClass.UNREADABLE)
        if mark:
            span = self._index_of(path).get(member)
            if span is None:
                return Answer(entry, error=ErrorClass.MISSING)
            offset, size = span
        else:
            offset, size = 0, found.st_size
        if size > self._max_bytes:
            return Answer(entry, error=ErrorClass.TOO_LARGE)
        with path.open("rb") as stream:
            return Answer(entry, body=os.pread(stream.fileno(), size, offset))

    def _index_of(self, tar: Path) -> dict[str, tuple[int, int]]:
        """Return the offset and size in bytes of each regular file in a tar, by name. Each tar is scanned only once."""
        with self._lock:
            if tar not in self._indices:
                self._indices[tar] = {
                    member.name: (member.offset_data, member.size) for member in members_of(tar) if is_file(member)
                }
            return self._indices[tar]


class Images:
    """Fetches candidates and validates their images.

    The caller's thread runs all requests (`parley.dataset.fetch.client`); a few worker threads read and write the
    cache and validate images. A request counts towards `FetchOptions.threads` until its answer is in the cache, so a
    killed process loses at most that many answers.
    """

    def __init__(self, cache_folder: str | Path, root: str | Path | None, options: FetchOptions) -> None:
        self._options = options
        self._cache = Cache(cache_folder, options)
        self._local = LocalFiles(root, options.max_bytes) if root is not None else None
        self._client = Client(options)
        validators = min(len(os.sched_getaffinity(0)) + 2, options.threads, _MAX_VALIDATORS)
        self._pool = ThreadPoolExecutor(validators, thread_name_prefix="validate")
        self._validated: SimpleQueue[tuple[Hashable, Candidate, Future[FetchResult | bool]]] = SimpleQueue()
        self._validating = 0
        self._requested: dict[Hashable, tuple[Hashable, Candidate]] = {}
        self._ready: list[tuple[Hashable, FetchResult]] = []

    def submit(self, candidate: Candidate, token: Hashable) -> None:
        """Submit a candidate. `completed` returns its result together with `token`."""
        key, url = candidate
        if key in self._options.excluded:
            self._ready.append((token, FetchResult(url, key, None, None, "", Decision(ErrorClass.EXCLUDED), 0, 0.0)))
        elif is_web_url(url) and not self._cache.has(key):
            self._request(token, candidate)
        else:
            self._start_validation(token, candidate, None)

    def completed(self) -> list[tuple[Hashable, FetchResult]]:
        """Return the results of completed candidates; wait for at least one if any is in flight.

        Raises
        ------
        ParleyError
            If the cache cannot be written, or too many URLs in a row cannot be reached.
        """
        while True:
            # A request counts towards the limit until its answer has been stored.
            self._client.max_active = max(self._options.threads - self._validating, 0)
            patience_s = 0.0 if self._validating or self._ready else None
            for request, answer in self._client.poll(patience_s):
                self._start_validation(*self._requested.pop(request), answer)
            self._collect()
            if self._ready or not (self._validating or self._client.in_flight):
                ready, self._ready = self._ready, []
                return ready

    def body(self, image: FetchResult) -> bytes | None:
        """Return the bytes of a validated image; None if they can no longer be found."""
        if is_web_url(image.url):
            return self._cache.body(image.key)
        return self._read(image.url).body

    def close(self) -> None:
        """Abort all requests and wait for pending cache writes."""
        self._client.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _request(self, token: Hashable, candidate: Candidate, known_unreachable: bool = False) -> None:
        self._requested[token] = token, candidate
        self._client.submit(candidate[1], token, known_unreachable)

    def _start_validation(self, token: Hashable, candidate: Candidate, answer: Answer | None) -> None:
        self._validating += 1
        future = self._pool.submit(self._validate, candidate, answer)
        future.add_done_callback(lambda done: self._validated.put((token, candidate, done)))

    def _validate(self, candidate: Candidate, answer: Answer | None) -> FetchResult | bool:
        """Return a candidate's result; if it must be requested first, whether an earlier run failed to reach it."""
        key, url = candidate
        if answer is not None:
            # The rejection of a private address depends on this run's settings, so the cache must not store it.
            if answer.attempts and answer.error is not ErrorClass.PRIVATE_ADDRESS:
                self._cache.store(key, answer)
        elif not is_web_url(url):
            answer = self._read(url)
        else:
            answer = self._cache.load(key)
            if answer is None or (answer.error in TRANSIENT and self._options.retry_failed):
                return answer is not None and answer.error in UNREACHABLE
        return fetch_result(answer, key, self._options)

    def _collect(self) -> None:
        """Collect results, and request the URLs that the cache lacks; wait briefly if no result is ready."""
        wait = self._validating > 0 and not self._ready
        while self._validating:
            try:
                token, candidate, done = self._validated.get(wait, _POLL_S)
            except Empty:
                return
            wait = False
            self._validating -= 1
            found = done.result()
            if isinstance(found, bool):
                self._request(token, candidate, known_unreachable=found)
            else:
                self._ready.append((token, found))

    def _read(self, entry: str) -> Answer:
        if self._local is None:
            return Answer(entry, error=ErrorClass.OUTSIDE_ROOT)
        return self._local.get(entry)
