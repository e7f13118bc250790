"""Where images come from: below the root, from the cache, from the web; many at once, each looked at."""

import os
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from parley.core.addresses import is_web_url
from parley.dataset.fetch.cache import Cache
from parley.dataset.fetch.candidate_queue import Candidate
from parley.dataset.fetch.client import Client
from parley.dataset.fetch.local import LocalFiles
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outage import UNREACHABLE
from parley.dataset.fetch.outcomes import NOT_KEPT, TRANSIENT, Answer, Decision, ErrorClass, FetchResult
from parley.dataset.fetch.validate import fetch_result

_LOOK_AGAIN_S = 0.01
# Decoding runs outside Python's lock; more threads than this only take turns.
_MOST_JUDGES = 8


class _ToAsk(NamedTuple):
    """What a judge says of a candidate that has to be asked for."""

    known_unreachable: bool


class Images:
    """Asks for candidates and judges what comes of them.

    The caller's thread moves the bytes of all requests (`parley.dataset.fetch.client`); a few others keep
    answers in the cache, read it, and judge. A request counts until its answer is kept, so a process
    killed at any moment loses no more answers than `FetchOptions.threads`.

    Parameters
    ----------
    cache_folder
        The content cache, shared between experiments.
    root
        The folder that local entries lie below, or None where there are none.
    options
        The stage's settings.
    """

    def __init__(self, cache_folder: str | Path, root: str | Path | None, options: FetchOptions) -> None:
        self._options = options
        self._cache = Cache(cache_folder, options)
        self._local = LocalFiles(root, options.max_bytes) if root is not None else None
        self._client = Client(options)
        judges = min(len(os.sched_getaffinity(0)) + 2, options.threads, _MOST_JUDGES)
        self._pool = ThreadPoolExecutor(judges, thread_name_prefix="judge")
        self._judged: SimpleQueue[tuple[Hashable, Candidate, Future[FetchResult | _ToAsk]]] = SimpleQueue()
        self._judging = 0
        self._asked: dict[Hashable, tuple[Hashable, Candidate]] = {}
        self._ready: list[tuple[Hashable, FetchResult]] = []

    def begin(self, candidate: Candidate, token: Hashable) -> None:
        """Ask for a candidate; what comes of it is returned by `finished`, with the token."""
        key, url = candidate
        if key in self._options.excluded:
            decision = Decision(ErrorClass.EXCLUDED)
            self._ready.append((token, FetchResult(url, key, ErrorClass.EXCLUDED, None, None, "", decision, 0, 0.0)))
        elif is_web_url(url) and not self._cache.has(key):
            self._ask(token, candidate)
        else:
            self._submit(token, candidate, None)

    def finished(self) -> list[tuple[Hashable, FetchResult]]:
        """Return what came of candidates: of at least one, as long as one is asked for.

        Raises
        ------
        ParleyError
            When the cache cannot be written to, or host after host cannot be reached.
        """
        while True:
            # A place is free again only when the answer that had it is kept.
            self._client.places = max(self._options.threads - self._judging, 0)
            patience_s = 0.0 if self._judging or self._ready else None
            for asked, answer in self._client.turn(patience_s):
                self._submit(*self._asked.pop(asked), answer)
            self._collect()
            if self._ready or not (self._judging or self._client.in_flight):
                ready, self._ready = self._ready, []
                return ready

    def body(self, image: FetchResult) -> bytes | None:
        """Get the bytes of an image judged before; None where they are gone."""
        if is_web_url(image.url):
            return self._cache.body(image.key)
        return self._read(image.url).body

    def close(self) -> None:
        """End what is under way, and wait for what is being kept."""
        self._client.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, token: Hashable, candidate: Candidate, known_unreachable: bool = False) -> None:
        self._asked[token] = token, candidate
        self._client.ask(candidate[1], token, known_unreachable)

    def _submit(self, token: Hashable, candidate: Candidate, answer: Answer | None) -> None:
        self._judging += 1
        future = self._pool.submit(self._look, candidate, answer)
        future.add_done_callback(lambda done: self._judged.put((token, candidate, done)))

    def _look(self, candidate: Candidate, answer: Answer | None) -> FetchResult | _ToAsk:
        """Judge a candidate, or say that it has to be asked for."""
        key, url = candidate
        if answer is not None:
            if answer.attempts and answer.error not in NOT_KEPT:
                self._cache.store(key, answer)
        elif not is_web_url(url):
            answer = self._read(url)
        else:
            answer = self._cache.load(key)
            if answer is None or (answer.error in TRANSIENT and self._options.retry_failed):
                return _ToAsk(answer is not None and answer.error in UNREACHABLE)
        return fetch_result(answer, key, self._options)

    def _collect(self) -> None:
        """Take what the judges have done; where there is nothing else to do, wait a little for it."""
        wait = self._judging > 0 and not self._ready
        while self._judging:
            try:
                token, candidate, done = self._judged.get(wait, _LOOK_AGAIN_S)
            except Empty:
                return
            wait = False
            self._judging -= 1
            found = done.result()
            if isinstance(found, _ToAsk):
                self._ask(token, candidate, found.known_unreachable)
            else:
                self._ready.append((token, found))

    def _read(self, entry: str) -> Answer:
        if self._local is None:
            return Answer(entry, error=ErrorClass.OUTSIDE_ROOT)
        return self._local.get(entry)
