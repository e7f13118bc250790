"""Candidates: the image URLs that a source lists for each class, and a check that there are enough."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import Listing, image_key
from parley.dataset.sources import SourceOptions, open_source
from parley.dataset.split_plan import Counts, needed_images

logger = logging.getLogger(__name__)
COLUMNS = ("class", "key", "url")


def select(
    options: SourceOptions,
    classes: Sequence[ImageClass],
    counts: Counts,
    destination: str | Path,
    url_list: str | Path | None = None,
    on_shortage: str = "fail",
) -> Listing:
    """Write the candidates of each class as a TSV: class, key, url.

    Parameters
    ----------
    options
        The source of the images.
    classes
        The class set; the table keeps its order and, within a class, the source's order.
    counts
        Images per split, by domain.
    destination
        Where to write.
    url_list
        The list, for a source that has one.
    on_shortage
        `fail`; `accept`: only a class without any candidate is an error; `drop_class`: no shortage is an error.

    Returns
    -------
    The listing, with the parse issues by kind.

    Raises
    ------
    ParleyError
        If classes have too few candidates; lists all of them.
    """
    listing = open_source(options).listing(classes, Path(url_list) if url_list is not None else None)
    for kind, lines in sorted(listing.issues.items()):
        logger.warning("%d of %d entries in the list have the issue %s", lines, listing.lines, kind)
    if findings := shortages(listing, options, classes, counts, on_shortage):
        raise ParleyError(findings)
    write_table(destination, COLUMNS, _rows(listing, classes))
    return listing


def _rows(listing: Listing, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str, str]]:
    for image_class in classes:
        for url in listing.urls[image_class.name]:
            yield image_class.name, image_key(url), url


def shortages(
    listing: Listing, options: SourceOptions, classes: Sequence[ImageClass], counts: Counts, on_shortage: str
) -> list[str]:
    """Return a sentence for each class with too few candidates, and advice.

    Parameters
    ----------
    listing
        The listing of the source.
    options
        The source.
    classes
        The class set.
    counts
        Images per split, by domain.
    on_shortage
        `fail`; `accept`: return only classes without any candidate and log the others; `drop_class`: log all,
        as `finalise_splits` drops those that stay short.
    """
    found = []
    for image_class in classes:
        candidates, needed = len(listing.urls[image_class.name]), needed_images(counts, image_class.domain)
        if candidates >= needed:
            continue
        sentence = _shortage(image_class, listing, options.filter_url) + f" {needed} are needed"
        if on_shortage == "drop_class":
            logger.warning("%s; the class will be dropped (on_shortage: drop_class).", sentence)
        elif on_shortage == "accept" and candidates:
            logger.warning("%s; accepted (on_shortage: accept).", sentence)
        else:
            found.append(f"{sentence}.")
    if found:
        found.append(
            f"{len(found)} of {len(classes)} classes have too few candidates: take them out of the "
            "class set, lower the counts, raise class_size, loosen filter_url, or name a source that has more."
        )
    return found


def _shortage(image_class: ImageClass, listing: Listing, filter_url: str) -> str:
    """Return how many candidates a class has, and whether the source lists it at all."""
    label = f"{image_class.name} ({image_class.wnid})" if image_class.wnid else image_class.name
    found, entries = len(listing.urls[image_class.name]), listing.entries[image_class.name]
    if not entries:
        return f"Class {label} is absent from the source;"
    if filter_url:
        return f"Class {label}: {found} of its {entries} entries contain {filter_url!r} and can be used;"
    return f"Class {label}: {found} of its {entries} entries can be used;"
