"""Text of data cards, in Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parley import __version__
from parley.core.formats import by_frequency
from parley.core.installation import as_typed
from parley.core.markdown import escaped, table
from parley.dataset.class_set import ImageClass, in_label_order
from parley.dataset.dedup.outcomes import LOCAL_HOST, host_of
from parley.dataset.sources import SourceOptions, kind_of
from parley.dataset.split_plan import PARTS

_MOST_SHOWN, _ALWAYS_SHOWN = 50, 10
_NOT_STATED = "*not stated*"
_DRAWN = (
    "The images are drawn by Parley from the seed below. They contain nobody else's work, so no permission and no "
    "credit is needed."
)
_OF_OTHERS = (
    "**The images belong to their owners.** That an image can be downloaded does not permit you to redistribute it. "
    "Check the licence of each image before you publish or deposit it; an image without a stated licence has none."
)
_INSTEAD = (
    "You can publish `images.tsv` instead of the images: others can then fetch those that are still online, and "
    "compare the SHA-256 to know that they have the same images."
)
_TERMS = (
    "The terms of the dataset are those of its authors, whom its page in torchvision's documentation names: "
    "https://docs.pytorch.org/vision/stable/datasets.html."
)
_NOT_FREE = "This does not mean that the images are free to use: see *Rights*."


@dataclass(frozen=True, slots=True)
class CardContext:
    """Facts about the experiment that the data card contains.

    Attributes
    ----------
    source
        Settings of the image source.
    experiment, seed, pool
        Name and seed of the experiment, and name of its image set.
    obeys_robots_tag
        Whether images were skipped if their server sent the tag `noai` or `noimageai`.
    class_set
        Path of the class set.
    """

    source: SourceOptions
    experiment: str
    seed: int
    pool: str
    obeys_robots_tag: bool
    class_set: str


@dataclass(slots=True)
class Contents:
    """Contents of the image set.

    Attributes
    ----------
    classes
        Classes of the image set.
    stated
        For each column copied from the source's table, such as licences, the number of images by value ("" if empty).
    conflicting
        Number of images listed in several rows of the source's table, with different values in the copied columns.
    parts
        Number of images by class name and split.
    hosts
        Number of images by host.
    size_bytes
        Total size of the images in bytes.
    """

    classes: Sequence[ImageClass]
    stated: dict[str, Counter[str]] = field(default_factory=dict)
    conflicting: int = 0
    parts: Counter[tuple[str, str]] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0

    def counting(self, rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        """Yield the rows of `images.tsv` (`IMAGE_COLUMNS`, then those of `stated`), and add them to the counts."""
        for row in rows:
            name, _, part, _, url, _, _, size_bytes, *stated = row
            self.parts[name, part] += 1
            self.hosts[host_of(url)] += 1
            self.size_bytes += int(size_bytes)
            for counter, value in zip(self.stated.values(), stated, strict=True):
                counter[value] += 1
            yield row

    @property
    def is_from_web(self) -> bool:
        """Whether any image comes from the web."""
        return bool(self.hosts.keys() - {LOCAL_HOST})


def card_text(
    context: CardContext, contents: Contents, funnel: Mapping[str, Any], class_set_sha256: str, listing_sha256: str
) -> str:
    """Return the text of the data card, in Markdown.

    Parameters
    ----------
    context
        Facts about the experiment.
    contents
        Contents of the image set.
    funnel
        Entries of funnel.json: the counts `candidates`, `tried`, `spare`, `duplicates` and `near_copies` (removed);
        `rejected`, a count per reason; `placeholders`, pairs of a SHA-256 and its number of URLs; `dropped_classes`,
        a list of names. Also `exclude_entries`: the number of entries in the exclude list, None if there is no list.
    class_set_sha256
        SHA-256 of the class set.
    listing_sha256
        SHA-256 of the source's URL list or table; empty if the source has neither.
    """
    sections = [
        [f"# Data card: {escaped(context.experiment)}"],
        [
            f"{contents.hosts.total():,} images in {len(contents.classes):,} classes, {contents.size_bytes:,} bytes. "
            "`images.tsv` next to this card has a row per image: class, key, part (its split), SHA-256, address, width "
            "and height in pixels, size in bytes, and what the source states about it."
        ],
        ["## Rights", "", *_rights(context, contents)],
        ["## Source", "", *_source(context, class_set_sha256, listing_sha256)],
        ["## Classes", "", *_classes(contents)],
        ["## Hosts", "", *_shares("host", contents.hosts)],
        ["## Left out", "", *_left_out(context, contents, funnel)],
        ["## Licences and attributions", "", *_stated(context, contents)],
        ["## How to reproduce the images", "", *_how_to_reproduce(context, contents)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _rights(context: CardContext, contents: Contents) -> list[str]:
    if kind_of(context.source.kind).drawn:
        return [_DRAWN]
    terms = context.source.terms
    stated = ["", f"Terms of use, as stated in the config: {escaped(terms)}."] if terms else []
    return [_OF_OTHERS, *stated, *(["", _INSTEAD] if contents.is_from_web else [])]


def source_places(source: SourceOptions) -> dict[str, list[str]]:
    """Return the paths, addresses and datasets from which a source's images are, as plain text, by kind of place."""
    return {
        "table": [str(source.manifest)] if source.manifest is not None else [],
        "dataset": [f"torchvision.datasets.{source.dataset}"] if source.dataset else [],
        "location": list(source.locations),
        "folder of local images": [str(source.root)]
        if source.root is not None and not kind_of(source.kind).drawn
        else [],
    }


def source_facts(source: SourceOptions, listing_sha256: str = "") -> list[tuple[str, str]]:
    """Return names and values, as plain text, that identify an image source.

    `listing_sha256` is the SHA-256 of the source's URL list or table; empty to leave it out.
    """
    places = {name: [(name, place) for place in found] for name, found in source_places(source).items()}
    facts = [("kind", kind_of(source.kind).label), *places["table"], *places["dataset"]]
    if source.dataset:
        facts += [("arguments", str(dict(one))) for one in source.arguments if one]
    facts += places["location"]
    if source.locations:
        facts.append(("required checksum", source.checksum or "none"))
    if listing_sha256:
        facts.append(("its SHA-256", listing_sha256))
    facts += places["folder of local images"]
    if source.filter_url:
        facts.append(("only addresses that contain", source.filter_url))
    if source.class_size is not None:
        facts.append(("candidates per class, at most", f"{source.class_size:,}"))
    return facts


def _source(context: CardContext, class_set_sha256: str, listing_sha256: str) -> list[str]:
    facts = [(name, escaped(value)) for name, value in source_facts(context.source, listing_sha256)]
    return table(("", ""), [*facts, ("class set", escaped(context.class_set)), ("its SHA-256", class_set_sha256)])


def _classes(contents: Contents) -> list[str]:
    parts = [part for part in PARTS if any(of == part for _, of in contents.parts)]
    rows: list[list[str | int]] = []
    for one in in_label_order(contents.classes):
        counts = [contents.parts.get((one.name, part), 0) for part in parts]
        rows.append([escaped(one.name), one.wnid, one.domain, *counts, sum(counts)])
    sums = [sum(count for (_, of), count in contents.parts.items() if of == part) for part in parts]
    return table(("class", "wnid", "domain", *parts, "all"), [*rows, ["all", "", "", *sums, sum(sums)]])


def _shares(what: str, counts: Counter[str]) -> list[str]:
    """Return a Markdown table with the number of images per value, most frequent value first."""
    ordered = by_frequency(counts)
    rows: list[tuple[str, int]] = [(escaped(value) or _NOT_STATED, number) for value, number in ordered[:_MOST_SHOWN]]
    if rest := ordered[_MOST_SHOWN:]:
        rows.append((f"*{len(rest):,} others*", sum(number for _, number in rest)))
    return table((what, "images"), rows)


def _left_out(context: CardContext, contents: Contents, funnel: Mapping[str, Any]) -> list[str]:
    outcomes = [
        ("an image of the set", contents.hosts.total()),
        ("valid, but not needed", funnel["spare"]),
        ("duplicate: the same bytes as another image", funnel["duplicates"]),
        ("near duplicate of an image in another split", funnel["near_copies"]),
        *((f"rejected: {escaped(reason)}", number) for reason, number in by_frequency(funnel["rejected"])),
        ("all", funnel["tried"]),
    ]
    lines = [
        f"There are {funnel['candidates']:,} candidates; {funnel['tried']:,} were tried, as many as the counts need.",
        "",
        *table(("outcome", "addresses"), outcomes),
        "",
        _exclusions(context, funnel),
    ]
    if funnel["dropped_classes"]:
        names = ", ".join(escaped(name) for name in funnel["dropped_classes"])
        lines += ["", f"Classes dropped because they have too few images: {names}."]
    if placeholders := funnel["placeholders"]:
        lines += ["", "Bytes rejected as placeholders because many addresses return them:", ""]
        lines += table(("SHA-256", "addresses"), placeholders[:_MOST_SHOWN])
        if len(placeholders) > _MOST_SHOWN:
            lines += ["", f"And {len(placeholders) - _MOST_SHOWN:,} more; `funnel.json` lists all."]
    return lines


def _exclusions(context: CardContext, funnel: Mapping[str, Any]) -> str:
    excluded, opted_out = funnel["rejected"].get("excluded", 0), funnel["rejected"].get("opted_out", 0)
    sentence = "There is no exclude list."
    if funnel["exclude_entries"] is not None:
        sentence = f"The exclude list has {funnel['exclude_entries']:,} entries; it excluded {excluded:,} addresses."
    if not kind_of(context.source.kind).over_network:
        return sentence
    if context.obeys_robots_tag:
        return f"{sentence} Skipped because their server says `noai` or `noimageai`: {opted_out:,} addresses."
    return f"{sentence} The tags `noai` and `noimageai` of servers were ignored."


def _stated(context: CardContext, contents: Contents) -> list[str]:
    if kind_of(context.source.kind).drawn:
        return ["None are needed."]
    if not contents.stated:
        if not kind_of(context.source.kind).states_rights:
            of_dataset = f" {_TERMS}" if context.source.dataset else ""
            return [f"The source states none. {_NOT_FREE}{of_dataset}"]
        return [f"The table has no column about them, or `source.manifest.carry` is an empty list. {_NOT_FREE}"]
    lines = ["As stated in the source's table, unchecked. `images.tsv` has them per image."]
    if contents.conflicting:
        lines += [
            "",
            f"Images with several, different rows in the table (the first row counts): {contents.conflicting:,}.",
        ]
    for column, values in contents.stated.items():
        stated = values.total() - values[""]
        distinct = len(values.keys() - {""})
        lines += ["", f"### {escaped(column)}", ""]
        lines += [f"Stated for {stated:,} of {values.total():,} images; distinct values: {distinct:,}."]
        # A column with a different value for most images, such as titles, gets no table.
        if distinct <= max(stated / 2, _ALWAYS_SHOWN):
            lines += ["", *_shares(escaped(column), values)]
    return lines


def _how_to_reproduce(context: CardContext, contents: Contents) -> list[str]:
    facts = [
        ("experiment", escaped(context.experiment)),
        ("seed", str(context.seed)),
        ("image set", escaped(f"resources/images/{context.pool}")),
        ("Parley", __version__),
    ]
    lines = [
        *table(("", ""), facts),
        "",
        as_typed(
            "`config.yaml` next to this card has all settings. Copy it, put the class set and the files that the "
            "source names in place, and run `uv run snakemake --cores all splits --configfile <the copy>`. The same "
            "seed and the same bytes give the same `splits.tsv`."
        ),
    ]
    if contents.is_from_web:
        lines += [
            "",
            "Images that have left the web since then cannot be fetched again: their bytes are in the tars of the "
            "image set, one per class, each image under its key.",
        ]
    return lines
