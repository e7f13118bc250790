"""Fetch the images of a group of classes, and write a tar and a manifest (table of URLs tried) for each class."""

import contextlib
import hashlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import remove_leftovers, written_aside
from parley.core.progress import Progress
from parley.core.tables import write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.candidate_queue import ClassFetch, SplitFetch, warn_about_repeated_bytes
from parley.dataset.fetch.images import Images
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS, ErrorClass, FetchResult
from parley.dataset.left_out import LeftOut
from parley.dataset.split_plan import Counts, candidate_queues, fetch_target
from parley.dataset.tars import write_tar

logger = logging.getLogger(__name__)
OK = "ok"
_FIRST_URLS = range(1, 201)
"""Numbers of the URLs that are requested first. If the addresses of all of them are private, the fetch stops."""
_ALLOW = "If the server is yours, set `allow_private_hosts: true` in the section `fetch` of the config."
_FAINT = "images of more than 8 bits become nearly uniform because their values are below 1/16 of the maximum"
_HOW_TO_BRIGHTEN = (
    "If these images store 8, 10 or 12 bits in 16, scale their values to 0 to 65535 or save them with 8 bits; "
    "to exclude them, add sixteen_bit to fetch.refuse."
)
_WINDOW = 16  # maximum number of candidates in flight, as a multiple of the concurrent requests


def fetch_classes(
    plan: str | Path,
    classes: Sequence[ImageClass],
    counts: Counts,
    out_folder: str | Path,
    cache_folder: str | Path,
    root: str | Path | None = None,
    options: FetchOptions | None = None,
    provide: Callable[[str], object] | None = None,
) -> Counter[str]:
    """Fetch the images of a group of classes, and write `<class>.tar` and `<class>.tsv` for each class.

    Candidates of a split are requested until it has `fetch_target(count, options.margin)` images or no candidates
    left. If it then has fewer than its count, the untried candidates of the class's other splits are requested too.
    A split with too few images is not an error in this stage; `parley.dataset.dedup.finalise` reports it.

    Parameters
    ----------
    plan
        Table written by `parley.dataset.split_plan`; rows of other classes are ignored.
    classes
        The classes of the group.
    counts
        Number of images that each class needs, by domain (in, out or transfer) and split.
    out_folder
        Folder for the tars and manifests.
    cache_folder
        Folder of the image cache, shared between experiments and jobs.
    root
        Folder, or tar of tars, that must contain all images listed by local path; if None, local paths are rejected.
    options
        Settings of the stage; None means the defaults.
    provide
        Function that makes sure that an archive below `root` exists, given its name; None if all archives exist.

    Returns
    -------
    Counter
        Number of URLs tried, by outcome: `OK` or an `ErrorClass`.

    Raises
    ------
    ParleyError
        If the first 200 URLs all have private addresses, or the client, cache or packing fails.
    """
    options = options or FetchOptions()
    options.check()
    outcomes: Counter[str] = Counter()
    noted = LeftOut()
    wanted = sum(fetch_target(count, options.margin) for c in classes for count in counts.get(c.domain, {}).values())
    packing: deque[Future[None]] = deque()
    with (
        Progress("fetching images", wanted, "image") as progress,
        contextlib.closing(Images(cache_folder, root, options, provide)) as images,
        ThreadPoolExecutor(1, thread_name_prefix="pack") as packer,
    ):

        def on_result(result: FetchResult) -> None:
            outcomes[result.error or OK] += 1
            if result.is_ok and result.decision.is_faint:
                noted.add(_FAINT, result.url)
            if outcomes.total() == outcomes[ErrorClass.PRIVATE_ADDRESS] == 1:
                logger.warning("%s is refused: the address of its host is not public. %s", result.url, _ALLOW)
            progress.advance(result.is_ok, f"{outcomes.total()} tried, {_rejected(outcomes)}")

        try:
            class_fetches = _class_fetches(plan, classes, counts, options)
            for done in scheduled(class_fetches, images, _WINDOW * options.threads, on_result):
                repeated = done.placeholders()
                for one in repeated:
                    outcomes[OK] -= one.urls
                    outcomes[ErrorClass.PLACEHOLDER] += one.urls
                warn_about_repeated_bytes(repeated, f"Class {done.name}")
                _warn_of_shortage(done)
                while packing and packing[0].done():
                    packing.popleft().result()
                packing.append(packer.submit(_pack_class, done.name, done.results(), images.body, Path(out_folder)))
            while packing:
                packing.popleft().result()
        finally:
            packer.shutdown(cancel_futures=True)
    if noted:
        logger.warning("%s. %s", noted, _HOW_TO_BRIGHTEN)
    logger.info("%d URLs tried, %d images; %s", outcomes.total(), outcomes[OK], _rejected(outcomes))
    return outcomes


def scheduled(
    classes: Iterator[ClassFetch], images: Images, window: int, on_result: Callable[[FetchResult], None]
) -> Iterator[ClassFetch]:
    """Request the candidates of all classes, and yield each class when it is done.

    A split's next candidate is requested only while the images that count towards its target, plus its requests in
    flight, are fewer than the target. So the URLs tried are always the first ones of each queue, and no more than the
    targets require, whatever the order of the answers and whether or not the run was interrupted.
    `parley.dataset.fetch.candidate_queue` defines which images count towards a target, and proves this.

    Parameters
    ----------
    classes
        Classes with their candidate queues. The next class is taken only when needed, so few are in memory at once.
    images
        Object that fetches the candidates.
    window
        Maximum number of candidates in flight. It should exceed the number of concurrent requests, so that candidates
        of busy hosts do not block candidates of idle hosts.
    on_result
        Function that is called with the result of each URL.
    """
    opened: list[ClassFetch] = []
    tasks: dict[Hashable, tuple[ClassFetch, SplitFetch, int]] = {}
    number = refused = 0
    while True:
        while len(tasks) < window and (wanting := _next_split(opened, classes)) is not None:
            one, part = wanting
            rank = part.take()
            number += 1
            tasks[number] = one, part, rank
            images.submit(part.queue[rank], number)
        done = [one for one in opened if one.is_done]
        opened = [one for one in opened if not one.is_done] if done else opened
        yield from done
        if not tasks:
            return
        for token, result in images.completed():
            one, part, rank = tasks.pop(token)
            refused += token in _FIRST_URLS and result.error is ErrorClass.PRIVATE_ADDRESS
            if refused == len(_FIRST_URLS):
                raise ParleyError(
                    f"The first {refused} URLs are all refused: the addresses of their hosts are not public. {_ALLOW}"
                )
            one.record(part, rank, result)
            on_result(result)


def _next_split(opened: list[ClassFetch], classes: Iterator[ClassFetch]) -> tuple[ClassFetch, SplitFetch] | None:
    """Return a class and its queue that want another candidate, opening further classes if needed; None if none do."""
    for one in opened:
        if (part := one.wanting()) is not None:
            return one, part
    for one in classes:
        opened.append(one)
        if (part := one.wanting()) is not None:
            return one, part
    return None


def _class_fetches(
    plan: str | Path, classes: Sequence[ImageClass], counts: Counts, options: FetchOptions
) -> Iterator[ClassFetch]:
    """Yield each class with the candidate queues of its splits."""
    domains = {image_class.name: image_class.domain for image_class in classes}
    left = set(domains)
    for name, queues in candidate_queues(plan, domains):
        left.discard(name)
        needed = counts[domains[name]]
        parts = [
            SplitFetch(part, queue, needed[part], fetch_target(needed[part], options.margin))
            for part, queue in queues.items()
        ]
        yield ClassFetch(name, parts, options.placeholder_repeats)
    # The plan has no rows for classes without candidates; `parley.dataset.dedup.finalise` reports or drops them.
    for name in sorted(left):
        yield ClassFetch(name, [], options.placeholder_repeats)


def _warn_of_shortage(done: ClassFetch) -> None:
    """Log a warning for each split with too few images; `parley.dataset.dedup.finalise` reports all of them later."""
    for part in done.parts:
        if part.ok < part.count:
            logger.warning(
                "Class %s, split %s: only %d of the %d images needed; all %d candidates have been tried.",
                *(done.name, part.part, part.ok, part.count, len(part.queue)),
            )
    if done.fill is not None and done.fill.taken:
        logger.warning(
            "Class %s: %d spare candidates of its other splits were tried for these; %d gave an image.",
            *(done.name, done.fill.taken, done.fill.ok),
        )


def _rejected(outcomes: Counter[str]) -> str:
    return ", ".join(f"{error} {number}" for error, number in outcomes.most_common() if error != OK) or "none rejected"


def _pack_class(
    name: str, tried: Sequence[FetchResult], body_of: Callable[[FetchResult], bytes | None], folder: Path
) -> None:
    """Write `<class>.tar` with the images and `<class>.tsv` with a row per URL tried, both in the plan's order."""
    tar, manifest = folder / f"{name}.tar", folder / f"{name}.tsv"
    for path in (tar, manifest):
        remove_leftovers(path)
    with written_aside(tar) as aside:
        write_tar(aside, _bodies((image for image in tried if image.is_ok), body_of))
    write_table(manifest, MANIFEST_COLUMNS, (image.manifest_row() for image in tried))


def _bodies(
    images: Iterable[FetchResult], body_of: Callable[[FetchResult], bytes | None]
) -> Iterator[tuple[str, bytes]]:
    """Yield the file name and bytes of each image, after a check that the bytes are still those validated."""
    for image in images:
        body = body_of(image)
        if body is None or hashlib.sha256(body).hexdigest() != image.sha256:
            raise ParleyError(
                f"The bytes of {image.url} changed or vanished while they were being packed; "
                "do not modify the source or the cache while images are fetched, let other runs that share the cache "
                "finish, and run again."
            )
        yield f"{image.key}.{image.decision.suffix}", body
