"""The fetch stage: the plan of a group of classes in, a tar and a manifest a class out."""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parley.classes import ImageClass
from parley.errors import ParleyError
from parley.fetch.cache import Cache
from parley.fetch.client import Client
from parley.fetch.judge import judged
from parley.fetch.local import LocalFiles
from parley.fetch.options import FetchOptions
from parley.fetch.outcomes import TRANSIENT, Answer, ErrorClass, Tried
from parley.fetch.pack import pack_class
from parley.fetch.walk import Candidate, ClassWalk, ReserveWalk, Walker
from parley.progress import Progress
from parley.selection import candidates_by_class
from parley.splits import Counts, plan_by_class, walk_target
from parley.web import is_web_url

logger = logging.getLogger(__name__)


class Images:
    """Where the bytes of a candidate come from: the root, the cache, or the web.

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
        self._cache = Cache(cache_folder, options.max_bytes)
        self._local = LocalFiles(root, options.max_bytes) if root is not None else None
        self.client = Client(options)

    def ask(self, candidate: Candidate) -> Tried:
        """Get a candidate's bytes, from the web only if no earlier run was answered, and judge them."""
        key, url = candidate
        if not is_web_url(url):
            return judged(self._read(url), key, self._options)
        answer = self._cache.load(key)
        if answer is None or (answer.error in TRANSIENT and self._options.retry_failed):
            answer = self.client.get(url)
            self._cache.store(key, answer)
        return judged(answer, key, self._options)

    def body(self, image: Tried) -> bytes | None:
        """Get the bytes of an image judged before."""
        if not is_web_url(image.url):
            return self._read(image.url).body
        answer = self._cache.load(image.key)
        return answer.body if answer is not None else None

    def _read(self, entry: str) -> Answer:
        if self._local is None:
            return Answer(entry, error=ErrorClass.OUTSIDE_ROOT)
        return self._local.get(entry)


@dataclass
class Tally:
    """What came of the URLs of a group of classes. `ok` and the errors add up to `tried`."""

    tried: int = 0
    ok: int = 0
    errors: Counter[ErrorClass] = field(default_factory=Counter)

    def count(self, tried: Tried) -> None:
        """Count one URL."""
        self.tried += 1
        self.ok += tried.is_ok
        if tried.error is not None:
            self.errors[tried.error] += 1

    def __str__(self) -> str:
        return ", ".join(f"{error} {number}" for error, number in self.errors.most_common()) or "none rejected"


def fetch_classes(
    plan: str | Path,
    candidates: str | Path,
    classes: Sequence[ImageClass],
    counts: Counts,
    margin: float,
    out_folder: str | Path,
    cache_folder: str | Path,
    root: str | Path | None = None,
    options: FetchOptions | None = None,
) -> Tally:
    """Write `<class>.tar` and `<class>.tsv` of each class of a group.

    Each part's reserve is walked until it has `walk_target(count, margin)` images, or ends; a part
    left short is no error here, as `parley.settle` sees all classes together and tells all of it.

    Parameters
    ----------
    plan, candidates
        The tables of `parley.splits` and `parley.selection`; the rows of other classes are passed over.
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
    images, tally = Images(cache_folder, root, options), Tally()
    wanted = sum(walk_target(count, margin) for c in classes for count in counts.get(c.domain, {}).values())
    with Progress("fetching images", wanted, "image") as progress:

        def on_tried(tried: Tried) -> None:
            tally.count(tried)
            progress.advance(tried.is_ok, f"{tally.tried} tried, {tally}")

        walker = Walker(images.ask, options.threads, on_tried, images.client.stop)
        walks = _walks(plan, candidates, classes, counts, margin)
        with contextlib.closing(walker.walk(walks)) as finished:
            for done in finished:
                _warn_of_shortage(done)
                tried = [one for part in done.parts for one in part.finished()]
                pack_class(done.name, tried, images.body, out_folder)
    logger.info("%d URLs tried, %d images; %s", tally.tried, tally.ok, tally)
    return tally


def _walks(
    plan: str | Path, candidates: str | Path, classes: Sequence[ImageClass], counts: Counts, margin: float
) -> Iterator[ClassWalk]:
    """Yield the reserves of each class, reading plan and candidates side by side; both have one order."""
    domains = {image_class.name: image_class.domain for image_class in classes}
    missing = set(domains)
    listings = candidates_by_class(candidates, domains)
    for name, reserves in plan_by_class(plan, domains):
        listed_name, listed = next(listings, ("", []))
        urls = dict(listed)
        keys = {key for reserve in reserves.values() for key in reserve}
        if name != listed_name or keys != urls.keys():
            raise ParleyError(
                f"{plan} and {candidates} disagree about class {name!r}; run `snakemake --forcerun split`."
            )
        missing.discard(name)
        needed = counts[domains[name]]
        parts = [
            ReserveWalk(part, [(key, urls[key]) for key in reserve], needed[part], walk_target(needed[part], margin))
            for part, reserve in reserves.items()
        ]
        yield ClassWalk(name, parts)
    if missing:
        raise ParleyError(f"{plan} lacks the classes {', '.join(sorted(missing))}; run `snakemake --forcerun split`.")


def _warn_of_shortage(done: ClassWalk) -> None:
    """Say at once what settle will say with all the rest."""
    for part in done.parts:
        if part.ok < part.count:
            logger.warning(
                "Class %s, part %s: %d images of the %d needed, and its reserve of %d candidates is used up.",
                *(done.name, part.part, part.ok, part.count, len(part.reserve)),
            )
