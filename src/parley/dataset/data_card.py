"""The data card: what a person needs to know to deposit, publish or reproduce a set of images."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from parley import __version__
from parley.core.errors import ParleyError
from parley.core.files import read_json, sha256_of, write_table, write_text
from parley.core.markdown import escaped, table
from parley.core.tables import stream_table
from parley.dataset.class_set import ImageClass, in_label_order, read_class_set
from parley.dataset.dedup.outcomes import LOCAL, host_of
from parley.dataset.fetch.options import read_exclusions
from parley.dataset.sources import KINDS, SourceOptions
from parley.dataset.sources.manifest import IMAGE_COLUMNS, CarriedColumns, read_carried_columns
from parley.dataset.split_plan import PARTS

_MOST_SHOWN, _ALWAYS_SHOWN = 50, 10
_NOT_STATED = "*not stated*"
_DRAWN = (
    "The pictures are drawn by Parley from the seed below. No photograph and nobody's work went into them, so there is "
    "nobody to ask or to name."
)
_OF_OTHERS = (
    "**The images belong to their owners.** That they could be fetched gives nobody the right to pass them on. Before "
    "the images themselves are published or deposited, see to the licence of each; where none is stated, none is given."
)
_INSTEAD = (
    "In place of the images `images.tsv` can be published: whoever has it can fetch what still lives, and tell by its "
    "SHA-256 that it is the same."
)


@dataclass(frozen=True, slots=True)
class CardContext:
    """What a card says of the experiment.

    Attributes
    ----------
    source
        Where the images come from.
    experiment, seed, pool
        Its name and seed, and the name of its set of images.
    obeys_robots_tag
        Whether images were left alone whose server asks for it.
    class_set
        Path of the class set.
    """

    source: SourceOptions
    experiment: str
    seed: int
    pool: str
    obeys_robots_tag: bool
    class_set: str


class Checksums(NamedTuple):
    """SHA-256 of the class set, and of the list or table of addresses; empty where there is no list."""

    class_set: str
    listing: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What the set of images consists of.

    Attributes
    ----------
    classes
        Its classes.
    parts
        Images by class and part.
    hosts
        Images by the host they come from.
    size_bytes
        Of all images together.
    stated
        By carried column, how many images each value is stated of; the empty value where nothing is.
    conflicting
        Images of which the source states two different things.
    """

    classes: Sequence[ImageClass]
    parts: Mapping[tuple[str, str], int]
    hosts: Counter[str]
    size_bytes: int
    stated: Mapping[str, Counter[str]]
    conflicting: int

    @property
    def images(self) -> int:
        """How many images there are."""
        return self.hosts.total()

    @property
    def is_of_the_web(self) -> bool:
        """Whether any of them comes from the web."""
        return bool(self.hosts.keys() - {LOCAL})


@dataclass(frozen=True, slots=True)
class Funnel:
    """What was left out on the way from candidates to images.

    Attributes
    ----------
    candidates, tried
        Addresses at hand, and those tried.
    spare
        Sound images beyond the counts.
    duplicates, near_copies
        Images left out since another has the same bytes, or looks the same.
    rejected
        Addresses that gave no image, by reason.
    placeholders
        SHA-256 of bytes that came under many addresses, and under how many.
    dropped_classes
        Classes left out for want of images.
    exclude_entries
        Entries of the exclude list; None where there is none.
    """

    candidates: int
    tried: int
    spare: int
    duplicates: int
    near_copies: int
    rejected: Mapping[str, int]
    placeholders: Sequence[tuple[str, int]]
    dropped_classes: Sequence[str]
    exclude_entries: int | None

    @property
    def left_out(self) -> int:
        """How many of the addresses tried are not in the set."""
        return sum(self.rejected.values()) + self.duplicates + self.near_copies + self.spare


def card_text(context: CardContext, contents: Contents, funnel: Funnel, checksums: Checksums) -> str:
    """Return the card."""
    sections = [
        [f"# Data card: {escaped(context.experiment)}"],
        [
            f"{contents.images:,} images in {len(contents.classes):,} classes, {contents.size_bytes:,} bytes. "
            "`images.tsv` beside this card has a row for each: class, key, part, SHA-256, address, width and height in "
            "pixels, size in bytes, and what the source states of it besides."
        ],
        ["## Rights", "", *_rights(context, contents)],
        ["## The source", "", *_source(context, checksums)],
        ["## Classes", "", *_classes(contents)],
        ["## Where the images come from", "", *_shares("host", contents.hosts)],
        ["## What was left out", "", *_left_out(context, contents, funnel)],
        ["## Licences and attributions", "", *_stated(context, contents)],
        ["## To make it again", "", *_again(context, contents)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _rights(context: CardContext, contents: Contents) -> list[str]:
    if context.source.kind == "world":
        return [_DRAWN]
    return [_OF_OTHERS, "", _INSTEAD] if contents.is_of_the_web else [_OF_OTHERS]


def _source(context: CardContext, checksums: Checksums) -> list[str]:
    source = context.source
    facts = [("kind", KINDS[source.kind].label)]
    if source.kind == "manifest":
        facts.append(("table", escaped(str(source.manifest))))
    facts += [("location", escaped(location)) for location in source.locations]
    if source.kind == "url_list":
        facts.append(("checksum asked for", source.checksum or "none"))
    if checksums.listing:
        facts.append(("its SHA-256", checksums.listing))
    if source.root is not None and source.kind != "world":
        facts.append(("folder of local pictures", escaped(str(source.root))))
    if source.filter_url:
        facts.append(("addresses that hold", escaped(source.filter_url)))
    if source.class_size is not None:
        facts.append(("candidates a class, at most", f"{source.class_size:,}"))
    facts.append(("class set", escaped(context.class_set)))
    facts.append(("its SHA-256", checksums.class_set))
    return table(("", ""), facts)


def _classes(contents: Contents) -> list[str]:
    parts = [part for part in PARTS if any(of == part for _, of in contents.parts)]
    rows: list[list[str | int]] = []
    for one in in_label_order(contents.classes):
        counts = [contents.parts.get((one.name, part), 0) for part in parts]
        rows.append([escaped(one.name), one.wnid, one.domain, *counts, sum(counts)])
    sums = [sum(count for (_, of), count in contents.parts.items() if of == part) for part in parts]
    return table(("class", "wnid", "domain", *parts, "all"), [*rows, ["all", "", "", *sums, sum(sums)]])


def _shares(what: str, counts: Counter[str]) -> list[str]:
    """Return a table of values and how many images have each, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[:_MOST_SHOWN], ordered[_MOST_SHOWN:]
    rows: list[tuple[str, int]] = [(escaped(value) or _NOT_STATED, number) for value, number in shown]
    if rest:
        rows.append((f"*{len(rest):,} others*", sum(number for _, number in rest)))
    return table((what, "images"), rows)


def _left_out(context: CardContext, contents: Contents, funnel: Funnel) -> list[str]:
    lines = [
        f"Of {funnel.candidates:,} addresses at hand {funnel.tried:,} were tried: as many as the counts asked for.",
        "",
        *table(("what became of them", "addresses"), _reasons(funnel, contents.images)),
    ]
    lines += ["", *_sentence_of_exclusions(context, funnel)]
    if funnel.dropped_classes:
        lines += ["", f"Left out for want of images: {', '.join(escaped(name) for name in funnel.dropped_classes)}."]
    if funnel.placeholders:
        lines += ["", "Bytes taken for a placeholder, since they came under many addresses:", ""]
        lines += table(("SHA-256", "addresses"), funnel.placeholders[:_MOST_SHOWN])
        if len(funnel.placeholders) > _MOST_SHOWN:
            lines += ["", f"And {len(funnel.placeholders) - _MOST_SHOWN:,} more; `funnel.json` has them all."]
    return lines


def _reasons(funnel: Funnel, images: int) -> Iterable[tuple[str, int]]:
    yield "an image of the set", images
    yield "sound, and not needed", funnel.spare
    yield "another image has the same bytes", funnel.duplicates
    yield "an image of another part looks the same", funnel.near_copies
    for reason, number in sorted(funnel.rejected.items(), key=lambda item: (-item[1], item[0])):
        yield f"rejected: {escaped(reason)}", number
    yield "all", funnel.tried


def _sentence_of_exclusions(context: CardContext, funnel: Funnel) -> list[str]:
    excluded, opted_out = funnel.rejected.get("excluded", 0), funnel.rejected.get("opted_out", 0)
    if funnel.exclude_entries is None:
        sentence = "There is no exclude list."
    else:
        sentence = f"The exclude list has {funnel.exclude_entries:,} entries; {excluded:,} addresses tried were on it."
    if context.source.kind not in ("url_list", "manifest"):
        return [sentence]
    if context.obeys_robots_tag:
        return [f"{sentence} Left alone since their server says `noai` or `noimageai`: {opted_out:,} addresses."]
    return [f"{sentence} What servers say of `noai` and `noimageai` was not heeded."]


def _stated(context: CardContext, contents: Contents) -> list[str]:
    if context.source.kind == "world":
        return ["None are needed."]
    if not contents.stated:
        return [
            "The source states none. That is not to say that the images are free: see *Rights*."
            if context.source.kind != "manifest"
            else "The table has no column for them, or none that was to be carried along. That is not to say that "
            "the images are free: see *Rights*."
        ]
    lines = ["As the source's table states them, unchecked. `images.tsv` has them image by image."]
    if contents.conflicting:
        lines += ["", f"Listed twice, with different statements, of which the first stands: {contents.conflicting:,}."]
    for column, values in contents.stated.items():
        said = values.total() - values[""]
        different = len(values.keys() - {""})
        lines += ["", f"### {escaped(column)}", ""]
        lines += [f"Stated of {said:,} images of {values.total():,}; different values: {different:,}."]
        # What nearly every image has of its own, as a title, says nothing in a table of counts.
        if different <= max(said / 2, _ALWAYS_SHOWN):
            lines += ["", *_shares(escaped(column), values)]
    return lines


def _again(context: CardContext, contents: Contents) -> list[str]:
    lines = table(
        ("", ""),
        [
            ("experiment", escaped(context.experiment)),
            ("seed", str(context.seed)),
            ("set of images", escaped(f"resources/images/{context.pool}")),
            ("Parley", __version__),
        ],
    )
    lines += [
        "",
        "`config.yaml` beside this card holds every setting. With a copy of it, the class set and what the source "
        "names in place: `snakemake --cores all splits --configfile <the copy>`. The same seed and the same bytes give "
        "the same `splits.tsv`.",
    ]
    if contents.is_of_the_web:
        lines += [
            "",
            "What has left the web since cannot be fetched again: the bytes are in the tars of the set of images, "
            "one a class, each image under its key.",
        ]
    return lines


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
