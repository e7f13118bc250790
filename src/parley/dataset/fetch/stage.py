"""The fetch stage: reads the plan of a group of classes, writes a tar and a manifest per class."""

import contextlib
import hashlib
import logging
import tarfile
from collections import Counter, deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from parley.core.errors import ParleyError
from parley.core.files import remove_leftovers, write_table, written_aside
from parley.core.progress import Progress
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.candidate_queue import (
    Candidate,
    ClassFetch,
    RepeatedBytes,
    SplitFetch,
    warn_about_repeated_bytes,
)
from parley.dataset.fetch.images import Images
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS, ErrorClass, FetchResult
from parley.dataset.split_plan import Counts, fetch_target, plan_reserves

logger = logging.getLogger(__name__)


_Task = tuple[ClassFetch, SplitFetch, int]


class Fetcher(Protocol):
    """Fetches candidates; implemented by `parley.dataset.fetch.images.Images`."""

    def submit(self, candidate: Candidate, token: Hashable) -> None:
        """Submit a candidate."""

    def completed(self) -> list[tuple[Hashable, FetchResult]]:
        """Return the results of at least one submitted candidate, each with its token."""


class Scheduler:
    """Requests the candidates of classes.

    Parameters
    ----------
    fetcher
        Fetches candidates.
    window
        Maximum number of candidates in flight. Larger than the number of concurrent requests, so that candidates of
        busy hosts do not block those of idle hosts.
    on_result
        Called with the result of each URL.
    """

    def __init__(self, fetcher: Fetcher, window: int, on_result: Callable[[FetchResult], None]) -> None:
        self._fetcher, self._window, self._on_tried = fetcher, window, on_result
        self._open: list[ClassFetch] = []
        self._tasks: dict[Hashable, _Task] = {}

    def run(self, classes: Iterator[ClassFetch]) -> Generator[ClassFetch, None, None]:
        """Yield each class when it is done. Classes are opened only when needed, so few are in memory at once."""
        number = 0
        while True:
            while len(self._tasks) < self._window and (task := self._next_task(classes)) is not None:
                number += 1
                self._tasks[number] = task
                _, part, rank = task
                self._fetcher.submit(part.queue[rank], number)
            yield from self._done()
            if not self._tasks:
                return
            for token, result in self._fetcher.completed():
                opened, part, rank = self._tasks.pop(token)
                opened.record(part, rank, result)
                self._on_tried(result)

    def _next_task(self, classes: Iterator[ClassFetch]) -> _Task | None:
        """Take a candidate from the class opened first, or else open another class."""
        for opened in self._open:
            for part in opened.parts:
                if part.wants_more:
                    return opened, part, part.take()
        for opened in classes:
            self._open.append(opened)
            for part in opened.parts:
                if part.wants_more:
                    return opened, part, part.take()
        return None

    def _done(self) -> Iterator[ClassFetch]:
        done = [opened for opened in self._open if opened.is_done]
        if done:
            self._open = [opened for opened in self._open if not opened.is_done]
        yield from done


BodyOf = Callable[[FetchResult], bytes | None]


class Packer:
    """Packs classes in a background thread while others are fetched.

    Parameters
    ----------
    folder
        Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pack")
        self._packing: deque[Future[None]] = deque()

    def pack(self, name: str, tried: Sequence[FetchResult], body_of: BodyOf) -> None:
        """Queue a class for `pack_class`. Errors of earlier classes are raised here."""
        while self._packing and self._packing[0].done():
            self._packing.popleft().result()
        self._packing.append(self._thread.submit(pack_class, name, tried, body_of, self._folder))

    def wait(self) -> None:
        """Wait until all classes are packed; raise the first error."""
        while self._packing:
            self._packing.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


def pack_class(name: str, tried: Sequence[FetchResult], body_of: BodyOf, folder: str | Path) -> None:
    """Write `<class>.tar` with the images and `<class>.tsv` with a row per URL tried.

    Parameters
    ----------
    name
        The class.
    tried
        The results in the order of the plan; tar and manifest keep this order.
    body_of
        Returns the bytes of an image, so that they need not all be in memory.
    folder
        Where to write.

    Raises
    ------
    ParleyError
        If an image's bytes have changed since validation, or the disk is full.
    """
    tar, manifest = Path(folder) / f"{name}.tar", Path(folder) / f"{name}.tsv"
    for path in (tar, manifest):
        remove_leftovers(path)
    with written_aside(tar) as aside:
        _write_tar(aside, [image for image in tried if image.is_ok], body_of)
    write_table(manifest, MANIFEST_COLUMNS, (image.manifest_row() for image in tried))


def _write_tar(path: Path, images: Sequence[FetchResult], body_of: BodyOf) -> None:
    """Write the members directly; `TarFile.addfile` would copy each header and body once more."""
    with path.open("wb", buffering=1 << 20) as stream:
        for image in images:
            body = _checked(image, body_of(image))
            stream.write(_header(image).tobuf(tarfile.USTAR_FORMAT))
            stream.write(body)
            stream.write(bytes(-len(body) % tarfile.BLOCKSIZE))
        end = 2 * tarfile.BLOCKSIZE
        stream.write(bytes(end + -(stream.tell() + end) % tarfile.RECORDSIZE))


def _header(image: FetchResult) -> tarfile.TarInfo:
    """Return a member's header; times and owners are zero, so that equal images give equal tars."""
    header = tarfile.TarInfo(f"{image.key}.{image.decision.suffix}")
    header.size = image.size_bytes or 0
    return header


def _checked(image: FetchResult, body: bytes | None) -> bytes:
    if body is None or hashlib.sha256(body).hexdigest() != image.sha256:
        raise ParleyError(
            f"The bytes of {image.url} changed or vanished while they were being packed; "
            "do not modify the source or the cache while images are fetched, and run again."
        )
    return body


_WINDOW = 16  # candidates in flight per concurrent request


@dataclass
class OutcomeCounts:
    """Outcomes of the URLs of a group of classes. `ok` and the errors add up to `tried`."""

    tried: int = 0
    ok: int = 0
    errors: Counter[ErrorClass] = field(default_factory=Counter)

    def count(self, result: FetchResult) -> None:
        """Count one URL."""
        self.tried += 1
        self.ok += result.is_ok
        if result.error is not None:
            self.errors[result.error] += 1

    def reject_placeholders(self, repeated: Sequence[RepeatedBytes]) -> None:
        """Recount images as placeholders that were counted as `ok`."""
        for one in repeated:
            self.ok -= one.urls
            self.errors[ErrorClass.PLACEHOLDER] += one.urls

    def __str__(self) -> str:
        return ", ".join(f"{error} {number}" for error, number in self.errors.most_common()) or "none rejected"


def fetch_classes(
    plan: str | Path,
    classes: Sequence[ImageClass],
    counts: Counts,
    margin: float,
    out_folder: str | Path,
    cache_folder: str | Path,
    root: str | Path | None = None,
    options: FetchOptions | None = None,
) -> OutcomeCounts:
    """Write `<class>.tar` and `<class>.tsv` of each class of a group.

    Each split's candidate queue is processed until it has given `fetch_target(count, margin)` images or is empty. A
    split that falls short is not an error here: `parley.dataset.dedup.finalise` sees all classes and reports it.

    Parameters
    ----------
    plan
        The table of `parley.dataset.split_plan`; rows of other classes are ignored.
    classes
        The classes of the group.
    counts
        Images per split, by domain.
    margin
        Additional images to fetch, as a fraction of a split's count.
    out_folder
        Where to write.
    cache_folder
        The content cache, shared between experiments and jobs.
    root
        Folder that contains all local entries.
    options
        The stage's settings; the defaults where None.

    Returns
    -------
    Outcomes of the URLs tried.
    """
    options = options or FetchOptions()
    if findings := options.check():
        raise ParleyError(findings)
    outcomes = OutcomeCounts()
    wanted = sum(fetch_target(count, margin) for c in classes for count in counts.get(c.domain, {}).values())
    with Progress("fetching images", wanted, "image") as progress, Packer(Path(out_folder)) as packer:

        def on_result(result: FetchResult) -> None:
            outcomes.count(result)
            progress.advance(result.is_ok, f"{outcomes.tried} tried, {outcomes}")

        with contextlib.closing(Images(cache_folder, root, options)) as images:
            class_fetches = _class_fetches(plan, classes, counts, margin, options.placeholder_repeats)
            for done in Scheduler(images, _WINDOW * options.threads, on_result).run(class_fetches):
                outcomes.reject_placeholders(repeated := done.placeholders())
                warn_about_repeated_bytes(repeated, f"Class {done.name}")
                _warn_of_shortage(done)
                packer.pack(done.name, done.results(), images.body)
            packer.wait()
    logger.info("%d URLs tried, %d images; %s", outcomes.tried, outcomes.ok, outcomes)
    return outcomes


def _class_fetches(
    plan: str | Path, classes: Sequence[ImageClass], counts: Counts, margin: float, placeholder_repeats: int
) -> Iterator[ClassFetch]:
    """Yield the candidate queues of each class."""
    domains = {image_class.name: image_class.domain for image_class in classes}
    planned = plan_reserves(plan, domains)
    missing = sorted(domains.keys() - planned.keys())
    for name in list(planned):
        # Removed from `planned`, so that a queue's memory is freed when its class is done.
        reserves, needed = planned.pop(name), counts[domains[name]]
        parts = [
            SplitFetch(part, reserve, needed[part], fetch_target(needed[part], margin))
            for part, reserve in reserves.items()
        ]
        yield ClassFetch(name, parts, placeholder_repeats)
    # Classes without candidates have no rows; `parley.dataset.dedup.finalise` reports or drops them.
    for name in missing:
        yield ClassFetch(name, [], placeholder_repeats)


def _warn_of_shortage(done: ClassFetch) -> None:
    """Log shortages now; `parley.dataset.dedup.finalise` reports those of all classes later."""
    for part in done.parts:
        if part.ok < part.count:
            logger.warning(
                "Class %s, split %s: only %d of the %d images needed; all %d candidates have been tried.",
                *(done.name, part.part, part.ok, part.count, len(part.queue)),
            )
