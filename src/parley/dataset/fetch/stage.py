"""The fetch stage: reads the plan of a group of classes, writes a tar and a manifest per class."""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.progress import Progress
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.candidate_queue import ClassFetch, SplitFetch
from parley.dataset.fetch.images import Images
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import ErrorClass, FetchResult
from parley.dataset.fetch.pack import Packer
from parley.dataset.fetch.repeated_bytes import RepeatedBytes, warn_about_repeated_bytes
from parley.dataset.fetch.scheduler import Scheduler
from parley.dataset.plan_file import plan_reserves
from parley.dataset.split_plan import Counts, fetch_target

logger = logging.getLogger(__name__)
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
    split that falls short is not an error here: `parley.dataset.dedup.assign` sees all classes and reports it.

    Parameters
    ----------
    plan
        The table of `parley.dataset.plan_file`; rows of other classes are ignored.
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
    # Classes without candidates have no rows; `parley.dataset.dedup.assign` reports or drops them.
    for name in missing:
        yield ClassFetch(name, [], placeholder_repeats)


def _warn_of_shortage(done: ClassFetch) -> None:
    """Log shortages now; `parley.dataset.dedup.assign` reports those of all classes later."""
    for part in done.parts:
        if part.ok < part.count:
            logger.warning(
                "Class %s, split %s: only %d of the %d images needed; all %d candidates have been tried.",
                *(done.name, part.part, part.ok, part.count, len(part.queue)),
            )
