"""Fetch candidates concurrently from local files, the cache or the web, and validate their images."""

import errno
import os
import stat
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue

from parley.core.file_names import spellings
from parley.core.files import is_web_url
from parley.dataset.archives import DAMAGED, IN_TAR_OR_ZIP, Archive, nested_tars, open_archive
from parley.dataset.fetch.cache import Cache
from parley.dataset.fetch.client import Client
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import TRANSIENT, UNREACHABLE, Answer, Decision, ErrorClass, FetchResult
from parley.dataset.fetch.validate import fetch_result
from parley.dataset.listing import image_key

Candidate = tuple[str, str]
"""Image key, and URL or local path."""
_POLL_S = 0.01
# Decoding releases the GIL, but using more threads than this gives no further speed-up.
_MAX_VALIDATORS = 8


class LocalFiles:
    """Reads the images that an image source lists by local path; safe to share between threads.

    After links are resolved, every path must lie in `root`, a folder or a tar of tars. Images larger than `max_bytes`
    are rejected. `provide`, if given, is called with the path of an archive before the archive is opened.
    """

    def __init__(self, root: str | Path, max_bytes: int, provide: Callable[[str], object] | None = None) -> None:
        self._root = Path(root).resolve()
        self._max_bytes, self._provide = max_bytes, provide
        self._provided: set[str] = set()
        self._archives: dict[Path, Archive] = {}
        self._lock = threading.Lock()

    def get(self, entry: str) -> Answer:
        """Read an image, given as a path relative to the root or as `<tar or zip>!<member>`."""
        if self._provide is not None and (in_archive := IN_TAR_OR_ZIP.fullmatch(entry)):
            with self._lock:
                if in_archive[1] not in self._provided:
                    self._provide(in_archive[1])
                    self._provided.add(in_archive[1])
        answers = (self._answer(spelling) for spelling in spellings(entry))
        found = next((answer for answer in answers if answer.error is not ErrorClass.MISSING), None)
        return replace(found, url=entry) if found else Answer(entry, error=ErrorClass.MISSING)

    def _answer(self, entry: str) -> Answer:
        try:
            return self._read(entry)
        except (FileNotFoundError, NotADirectoryError):
            return Answer(entry, error=ErrorClass.MISSING)
        except DAMAGED as error:  # A NUL in the path raises ValueError.
            is_circular = isinstance(error, OSError) and error.errno == errno.ELOOP
            return Answer(entry, error=ErrorClass.MISSING if is_circular else ErrorClass.UNREADABLE)

    def _read(self, entry: str) -> Answer:
        if in_archive := IN_TAR_OR_ZIP.fullmatch(entry):
            return self._read_member(entry, *in_archive.groups())
        path = self._resolved(entry)
        if not path.is_relative_to(self._root):
            return Answer(entry, error=ErrorClass.OUTSIDE_ROOT)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # Opening a pipe would block.
            return Answer(entry, error=ErrorClass.UNREADABLE)
        if found.st_size > self._max_bytes:
            return Answer(entry, error=ErrorClass.TOO_LARGE)
        with path.open("rb") as stream:
            return Answer(entry, body=stream.read(found.st_size))

    def _resolved(self, name: str) -> Path:
        try:
            return (self._root / name).resolve()
        except RuntimeError as error:  # Links that form a circle; from Python 3.13 on, opening the path fails.
            raise FileNotFoundError(name) from error

    def _read_member(self, entry: str, name: str, member: str) -> Answer:
        path = self._resolved(name)
        if not path.is_relative_to(self._root):
            return Answer(entry, error=ErrorClass.OUTSIDE_ROOT)
        with self._lock:  # So that the members are indexed only once.
            archive = self._archives.get(path) or self._archives.setdefault(path, self._opened(name, path))
            size = archive.size_of(member)
        if size is None or size > self._max_bytes:
            return Answer(entry, error=ErrorClass.MISSING if size is None else ErrorClass.TOO_LARGE)
        return Answer(entry, body=archive.read(member))

    def _opened(self, name: str, path: Path) -> Archive:
        if self._root.is_file():
            if name not in self._nested:
                raise FileNotFoundError(path)
            return open_archive(self._root, self._nested[name])
        if not path.is_file() and path.exists():  # Opening a pipe would block.
            raise OSError(f"{path} is not a regular file")
        return open_archive(path)

    @cached_property
    def _nested(self) -> dict[str, tuple[int, int]]:
        return nested_tars(self._root)


class Images:
    """Fetches candidates and validates their images.

    The caller's thread runs all requests (`parley.dataset.fetch.client`); a few worker threads read and write the
    cache and validate images. A request counts towards `FetchOptions.threads` until its answer is in the cache, so a
    killed process loses at most that many answers.
    """

    def __init__(
        self,
        cache_folder: str | Path,
        root: str | Path | None,
        options: FetchOptions,
        provide: Callable[[str], object] | None = None,
    ) -> None:
        self._options = options
        self._cache = Cache(cache_folder, options)
        self._local = LocalFiles(root, options.max_bytes, provide) if root is not None else None
        # Images of archives that are removed after use have a cache of their own: their keys are unique in the root.
        self._members = Cache(f"{root}/images", options) if provide is not None else None
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
        if self._members is None:
            return self._local.get(entry)
        key = image_key(entry)
        answer = self._members.load(key)
        if answer is None:
            answer = self._local.get(entry)
            if answer.body is not None:
                self._members.store(key, answer)
        return answer
