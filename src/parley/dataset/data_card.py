"""Data cards: Markdown pages with the information needed to publish, deposit or reproduce a set of images."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import read_json, sha256_of, write_text
from parley.core.tables import stream_table, write_table
from parley.dataset.class_set import read_class_set
from parley.dataset.data_card_text import CardContext, Contents, card_text
from parley.dataset.fetch.options import read_exclusions
from parley.dataset.sources import open_source
from parley.dataset.sources.manifest import IMAGE_COLUMNS


def write_data_card(
    context: CardContext,
    card: str | Path,
    images: str | Path,
    *,
    splits: str | Path,
    funnel: str | Path,
    classes: str | Path,
    manifests: Mapping[str, str | Path],
    url_list: str | Path | None = None,
    exclude: str | Path | None = None,
) -> None:
    """Write the data card of an experiment, and the table of its images.

    Parameters
    ----------
    context
        Facts about the experiment and its image source.
    card
        Path of the Markdown file to write.
    images
        Path of the TSV to write. It has a row per image, in the order of `splits`. Its columns are `IMAGE_COLUMNS`
        and the columns copied from the source's table, such as licences, if any.
    splits, funnel, classes
        Paths of the final splits, their counts and their class set, as written by `parley.dataset.dedup.finalise`.
    manifests
        By class name, the path of the class's manifest, which is the table of all URLs tried for the class.
    url_list
        Path of the downloaded URL list; None if the source has none.
    exclude
        Path of the exclude list; None if there is none.

    Raises
    ------
    ParleyError
        If the files contradict each other, or the source's table lacks a column or an image.
    """
    contents = Contents(read_class_set(classes))
    images_of_set = stream_table(splits, ("class", "key"))
    columns, cells, contents.conflicting = open_source(context.source).stated(contents.classes, images_of_set)
    contents.stated = {column: Counter() for column in columns}
    rows = ((*row, *cells.get((row[0], row[1]), ())) for row in _image_rows(splits, manifests))
    write_table(images, (*IMAGE_COLUMNS, *contents.stated), contents.counting(rows))
    counts, number = _read_funnel(funnel), contents.hosts.total()
    left_out = sum(counts["rejected"].values()) + counts["duplicates"] + counts["near_copies"] + counts["spare"]
    if number + left_out != counts["tried"]:
        raise ParleyError(
            f"{funnel} counts {counts['tried']} addresses tried, {left_out} of them left out, but {splits} has "
            f"{number} images, so the two are of different runs. Run `snakemake --cores 1 --forcerun settle`."
        )
    counts["exclude_entries"] = len(read_exclusions(exclude)) if exclude else None
    listing = context.source.manifest or url_list
    checksums = sha256_of(context.class_set), sha256_of(listing) if listing is not None else ""
    write_text(card, card_text(context, contents, counts, *checksums))


def _image_rows(splits: str | Path, manifests: Mapping[str, str | Path]) -> Iterator[tuple[str, ...]]:
    """Yield the values of `IMAGE_COLUMNS` for each image in `splits`, with one class's rows in memory at a time."""
    for name, stretch in groupby(stream_table(splits, ("class", "key", "part", "sha256")), key=lambda row: row[0]):
        images = list(stretch)
        keys = {key for _, key, _, _ in images}
        rows = stream_table(manifests[name], ("key", "status", "sha256", "url", "width", "height", "bytes"))
        known = {key: (sha, *rest) for key, status, sha, *rest in rows if key in keys and status == "ok"}
        for _, key, part, sha256 in images:
            if known.get(key, ("",))[0] != sha256:
                raise ParleyError(
                    f"Class {name!r}: {manifests[name]} has no image {key} with the SHA-256 {sha256} of "
                    f"{splits}; run `snakemake --cores 1 --forcerun settle`."
                )
            yield name, key, part, *known[key]


def _read_funnel(path: str | Path) -> dict[str, Any]:
    """Return the entries of funnel.json that the card shows, in the form that `card_text` takes."""
    counts = read_json(path)
    try:
        return {
            **{name: counts[name] for name in ("candidates", "tried", "spare", "duplicates", "rejected")},
            "near_copies": counts["near_copies"]["removed"],
            "placeholders": [(one["sha256"], one["urls"]) for one in counts["placeholders"]],
            "dropped_classes": list(counts["dropped_classes"]),
        }
    except (KeyError, TypeError) as error:
        raise ParleyError(f"{path} lacks {error}; run `snakemake --cores 1 --forcerun settle`.") from error
