"""The data card: what a person needs to know of a set of images to deposit it, publish it, or make it again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import read_json, sha256_of, write_table, write_text
from parley.core.tables import stream_table
from parley.dataset.class_set import ImageClass, read_class_set
from parley.dataset.data_card_text import CardContext, Checksums, Contents, Funnel, card_text
from parley.dataset.dedup.outcomes import host_of
from parley.dataset.fetch.options import read_exclusions
from parley.dataset.sources.manifest import IMAGE_COLUMNS, CarriedColumns, read_carried_columns

_OF_MANIFEST = ("key", "status", "sha256", "url", "width", "height", "bytes")


@dataclass(frozen=True, slots=True)
class CardInputs:
    """What a card is made from.

    Attributes
    ----------
    splits
        The realised splits.
    funnel
        The counts that settling wrote.
    classes
        The class set as it turned out.
    manifests
        The manifest of each class, by its name.
    url_list
        The list of addresses as it was downloaded, where the source has one.
    exclude
        The exclude list, if there is one.
    """

    splits: str | Path
    funnel: str | Path
    classes: str | Path
    manifests: Mapping[str, str | Path]
    url_list: str | Path | None = None
    exclude: str | Path | None = None


class ImageRow(NamedTuple):
    """An image of the realised splits: the columns of images.tsv that there always are."""

    image_class: str
    key: str
    part: str
    sha256: str
    url: str
    width: str
    height: str
    size_bytes: str


def write_data_card(inputs: CardInputs, context: CardContext, card: str | Path, images: str | Path) -> None:
    """Write the data card of an experiment, and the table of its images.

    Parameters
    ----------
    inputs
        The files to read.
    context
        The experiment and the source of its images.
    card
        Gets the card, in Markdown.
    images
        Gets a TSV: an image a row, in the order of the splits, with `IMAGE_COLUMNS` and the columns
        that are carried from a `manifest` source's table.

    Raises
    ------
    ParleyError
        When the files do not belong together, or the source's table lacks a column or an image.
    """
    classes = read_class_set(inputs.classes)
    carried = CarriedColumns((), {}, 0)
    if context.source.kind == "manifest":
        carried = read_carried_columns(context.source, classes, _identities(inputs.splits))
    counter = _ImageCounter(carried)
    write_table(images, (*IMAGE_COLUMNS, *carried.columns), counter.passing(image_rows(inputs)))
    contents, funnel = counter.contents(classes), _read_funnel(inputs)
    if contents.images + funnel.left_out != funnel.tried:
        raise ParleyError(
            f"{inputs.funnel} tells of {funnel.tried} addresses tried, of which {funnel.left_out} are left out; "
            f"{inputs.splits} has {contents.images} images. Run `snakemake --forcerun settle`."
        )
    write_text(card, card_text(context, contents, funnel, _checksums(inputs, context)))


def image_rows(inputs: CardInputs) -> Iterator[ImageRow]:
    """Yield the images of the splits, with what their manifests say of them; a class is held at a time.

    Raises
    ------
    ParleyError
        When a manifest lacks an image, or has other bytes under its key.
    """
    rows = stream_table(inputs.splits, ("class", "key", "part", "sha256"))
    for name, stretch in groupby(rows, key=lambda row: row[0]):
        images = list(stretch)
        known = _of_manifest(inputs.manifests[name], {key for _, key, _, _ in images})
        for _, key, part, sha256 in images:
            if known.get(key, ("",))[0] != sha256:
                raise ParleyError(
                    f"Class {name!r}: {inputs.manifests[name]} has no image {key} with the SHA-256 {sha256} of "
                    f"{inputs.splits}; run `snakemake --forcerun settle`."
                )
            yield ImageRow(name, key, part, *known[key])


def _of_manifest(manifest: str | Path, keys: Set[str]) -> dict[str, tuple[str, ...]]:
    rows = stream_table(manifest, _OF_MANIFEST)
    return {key: (sha256, *rest) for key, status, sha256, *rest in rows if key in keys and status == "ok"}


def _identities(splits: str | Path) -> set[tuple[str, str]]:
    return {(name, key) for name, key in stream_table(splits, ("class", "key"))}


class _ImageCounter:
    """Counts images as they pass on their way into the table."""

    def __init__(self, carried: CarriedColumns) -> None:
        self._carried = carried
        self._parts: Counter[tuple[str, str]] = Counter()
        self._hosts: Counter[str] = Counter()
        self._stated: list[Counter[str]] = [Counter() for _ in carried.columns]
        self._bytes = 0

    def passing(self, rows: Iterable[ImageRow]) -> Iterator[tuple[str, ...]]:
        """Yield the rows of the table, each with what is stated of its image."""
        for row in rows:
            stated = self._carried.cells.get((row.image_class, row.key), ())
            self._parts[row.image_class, row.part] += 1
            self._hosts[host_of(row.url)] += 1
            self._bytes += int(row.size_bytes)
            for counter, value in zip(self._stated, stated, strict=True):
                counter[value] += 1
            yield (*row, *stated)

    def contents(self, classes: Iterable[ImageClass]) -> Contents:
        """Return the counts, when all rows have passed."""
        stated = dict(zip(self._carried.columns, self._stated, strict=True))
        return Contents(list(classes), self._parts, self._hosts, self._bytes, stated, self._carried.conflicting)


def _read_funnel(inputs: CardInputs) -> Funnel:
    """Read which images came how far."""
    counts = read_json(inputs.funnel)
    try:
        return Funnel(
            **{name: counts[name] for name in ("candidates", "tried", "spare", "duplicates", "rejected")},
            near_copies=counts["near_copies"]["removed"],
            placeholders=[(one["sha256"], one["urls"]) for one in counts["placeholders"]],
            dropped_classes=list(counts["dropped_classes"]),
            exclude_entries=len(read_exclusions(inputs.exclude)) if inputs.exclude else None,
        )
    except (KeyError, TypeError) as error:
        raise ParleyError(f"{inputs.funnel} lacks {error}; run `snakemake --forcerun settle`.") from error


def _checksums(inputs: CardInputs, context: CardContext) -> Checksums:
    listing = context.source.manifest if context.source.kind == "manifest" else inputs.url_list
    return Checksums(sha256_of(context.class_set), sha256_of(listing) if listing is not None else "")
