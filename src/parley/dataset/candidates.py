"""List the candidates (image addresses) that a source has for each class, and check that there are enough."""

import logging
from collections.abc import Sequence
from pathlib import Path

from parley.core.errors import ParleyError, did_you_mean
from parley.core.tables import write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.left_out import log_skipped_files, skipped_files_text
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
    """List the candidates of each class, and write them as a TSV with the columns class, key and url.

    Parameters
    ----------
    options
        Settings of the image source.
    classes
        The class set. The TSV lists the classes in this order, and the images of a class in the source's order.
    counts
        Number of images that each class needs, by domain (in, out or transfer) and split.
    destination
        Path of the TSV to write.
    url_list
        Path of the URL list; None if the source has none.
    on_shortage
        `fail`: raise an error if any class has too few candidates; `accept`: raise an error only if a class has no
        candidate; `drop_class`: raise no error.

    Returns
    -------
    The source's listing, which includes the number of parse issues by kind.

    Raises
    ------
    ParleyError
        If any class has too few candidates and `on_shortage` does not allow it. The error lists all such classes.
    """
    listing = open_source(options).listing(classes, Path(url_list) if url_list is not None else None)
    for kind, lines in sorted(listing.issues.items()):
        examples = listing.issues.examples(kind)
        logger.warning("%d of %d entries in the list have the issue %s%s", lines, listing.lines, kind, examples)
    log_skipped_files(logger, listing.skipped_files)
    if findings := shortages(listing, options, classes, counts, on_shortage):
        raise ParleyError(findings)
    rows = ((one.name, image_key(url), url) for one in classes for url in listing.urls[one.name])
    write_table(destination, COLUMNS, rows)
    return listing


def shortages(
    listing: Listing, options: SourceOptions, classes: Sequence[ImageClass], counts: Counts, on_shortage: str
) -> list[str]:
    """Return error messages for classes with too few candidates, and one with advice; empty if there are none.

    Parameters
    ----------
    listing
        The source's listing. Classes that it does not contain are not checked.
    options
        Settings of the image source.
    classes
        The class set.
    counts
        Number of images that each class needs, by domain (in, out or transfer) and split.
    on_shortage
        `fail`: report every such class; `accept`: report only classes without any candidate, and log a warning for
        the others; `drop_class`: only log warnings, because `finalise_splits` drops classes with too few images.
    """
    found = []
    for image_class in (one for one in classes if one.name in listing.urls):
        candidates, needed = len(listing.urls[image_class.name]), needed_images(counts, image_class.domain)
        if candidates >= needed:
            continue
        sentence = _shortage(image_class, listing, options.filter_url) + f" {needed} are needed"
        if on_shortage == "drop_class":
            logger.warning("%s; the class will be dropped (fetch.on_shortage: drop_class).", sentence)
        elif on_shortage == "accept" and candidates:
            logger.warning("%s; accepted (fetch.on_shortage: accept).", sentence)
        else:
            found.append(f"{sentence}.")
    if found:
        limits = "raise source.class_size, " if options.class_size else ""
        limits += "loosen source.url_list.filter_url, " if options.filter_url else ""
        found.append(
            f"{len(found)} of {len(classes)} classes have too few candidates: remove them from the "
            f"class set, lower the counts of `split`, {limits}or choose a source that has more."
        )
        if listing.skipped_files:
            found.append(f"{skipped_files_text(listing.skipped_files)}.")
    return found


def _shortage(image_class: ImageClass, listing: Listing, filter_url: str) -> str:
    """Return the first half of a sentence, which states how many of the source's entries for a class can be used."""
    label = f"{image_class.name} ({image_class.wnid})" if image_class.wnid else image_class.name
    found, entries = len(listing.urls[image_class.name]), listing.entries[image_class.name]
    if not entries:
        hint = did_you_mean(image_class.name, listing.others)
        return f"Class {label} is absent from the source{f' ({hint})' if hint else ''};"
    if filter_url:
        return f"Class {label}: {found} of its {entries} entries contain {filter_url!r} and can be used;"
    return f"Class {label}: {found} of its {entries} entries can be used;"
