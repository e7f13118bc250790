"""The fetch stage: the plan of a group of classes in, a tar and a manifest a class out."""

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
_WINDOW = 16  # candidates begun, for each request that may be under way


@dataclass
class OutcomeCounts:
    """What came of the URLs of a group of classes. `ok` and the errors add up to `tried`."""

    tried: int = 0
    ok: int = 0
    errors: Counter[ErrorClass] = field(default_factory=Counter)

    def count(self, tried: FetchResult) -> None:
        """Count one URL."""
        self.tried += 1
        self.ok += tried.is_ok
        if tried.error is not None:
            self.errors[tried.error] += 1

    def reject(self, repeated: Sequence[RepeatedBytes]) -> None:
        """Count images as placeholders after all."""
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

    Each part's reserve is walked until it has `fetch_target(count, margin)` images, or ends; a part
    left short is no error here, as `parley.dataset.dedup.assign` sees all classes together and tells all of it.

    Parameters
    ----------
    plan
        The table of `parley.dataset.plan_file`; the rows of other classes are passed over.
    classes
        The classes of the group.
    counts
        Images a part, by domain.
    margin
        Fraction of a part's count fetched beyond it.
    out_folder
        Where to write.
    cache_folder
        The content cache, shared between experiments and with other jobs.
    root
        The folder that local entries lie below.
    options
        The stage's settings; the defaults where None.

    Returns
    -------
    What came of the URLs tried.
    """
    options = options or FetchOptions()
    if findings := options.check():
        raise ParleyError(findings)
    tally = OutcomeCounts()
    wanted = sum(fetch_target(count, margin) for c in classes for count in counts.get(c.domain, {}).values())
    with Progress("fetching images", wanted, "image") as progress, Packer(Path(out_folder)) as packer:

        def on_tried(tried: FetchResult) -> None:
            tally.count(tried)
            progress.advance(tried.is_ok, f"{tally.tried} tried, {tally}")

        with contextlib.closing(Images(cache_folder, root, options)) as images:
            walks = _walks(plan, classes, counts, margin, options.placeholder_repeats)
            for done in Scheduler(images, _WINDOW * options.threads, on_tried).walk(walks):
                tally.reject(repeated := done.repeated())
                warn_about_repeated_bytes(repeated, f"Class {done.name}")
                _warn_of_shortage(done)
                packer.pack(done.name, done.finished(), images.body)
            packer.wait()
    logger.info("%d URLs tried, %d images; %s", tally.tried, tally.ok, tally)
    return tally


def _walks(
    plan: str | Path, classes: Sequence[ImageClass], counts: Counts, margin: float, placeholder_repeats: int
) -> Iterator[ClassFetch]:
    """Yield the reserves of each class."""
    domains = {image_class.name: image_class.domain for image_class in classes}
    planned = plan_reserves(plan, domains)
    missing = sorted(domains.keys() - planned.keys())
    for name in list(planned):
        # Taken out, so that what a reserve has read goes when its class is done.
        reserves, needed = planned.pop(name), counts[domains[name]]
        parts = [
            SplitFetch(part, reserve, needed[part], fetch_target(needed[part], margin))
            for part, reserve in reserves.items()
        ]
        yield ClassFetch(name, parts, placeholder_repeats)
    # Classes without any candidate have no rows: settling tells of them, or drops them.
    for name in missing:
        yield ClassFetch(name, [], placeholder_repeats)


def _warn_of_shortage(done: ClassFetch) -> None:
    """Say at once what settle will say with all the rest."""
    for part in done.parts:
        if part.ok < part.count:
            logger.warning(
                "Class %s, part %s: %d images of the %d needed, and its reserve of %d candidates is used up.",
                *(done.name, part.part, part.ok, part.count, len(part.reserve)),
            )
