"""Read and check funnel.json: counts of images after each step, from candidate images to used images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import read_json
from parley.core.formats import by_frequency, counted
from parley.dataset.dedup.outcomes import LOCAL_HOST

COUNTS = ("candidates", "tried", "ok", "duplicates", "near_copies", "spare", "kept", "wanted")
"""Names of the counts of a class in a split, in the order of the steps.

`tried` = `ok` + number of rejected images; `ok` = `duplicates` + `near_copies` + `spare` + `kept`.
"""
HOST_COUNTS = ("tried", "ok")
HOSTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Funnel:
    """Counts of images, and sentences about them.

    Attributes
    ----------
    classes
        Class → the counts named in `COUNTS`, summed over splits, and `rejected`: reason → count, largest first.
    total
        The same counts, summed over all classes.
    hosts
        Host → `tried`, `ok` and `rejected`, for the `HOSTS_SHOWN` hosts with the most images tried. The last entry is
        the sum of all other hosts. Empty if all images are local.
    dropped
        Class → reasons why the class was left out.
    notices
        Sentences about placeholders (the same bytes from several URLs) and near-duplicates.
    shortages
        Sentences about splits that got fewer images than wanted.
    complaints
        Sentences about counts that do not add up.
    compared, pairs
        Whether images were compared between splits, and the number of near-duplicates that were found and kept.
    """

    classes: dict[str, dict[str, Any]]
    total: dict[str, Any]
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    shortages: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    compared: bool = True
    pairs: int = 0


def read_funnel(path: str | Path) -> Funnel:
    """Read funnel.json. Its entry `classes` maps class → split → counts, with `dropped: true` for a class left out.

    Raises
    ------
    ParleyError
        If the file is malformed.
    """
    try:
        return _funnel(read_json(path), path)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ParleyError(
            f"{path} is malformed ({error!r}); run `uv run snakemake --cores 1 --forcerun settle`."
        ) from error


def _funnel(raw: Any, path: str | Path) -> Funnel:
    of_classes = raw.get("classes") if isinstance(raw, dict) else None
    if not isinstance(of_classes, dict) or not all(map(_is_class, of_classes.values())):
        raise ParleyError(
            f"{path} must contain, under `classes`, the counts {', '.join(COUNTS)} and `rejected` of each class and "
            "split; run `uv run snakemake --cores 1 --forcerun settle`."
        )
    classes = {name: _splits(entry) for name, entry in of_classes.items()}
    hosts, dropped = raw.get("hosts", {}), raw.get("dropped_classes", {})
    near = raw.get("near_copies", {})
    sums = {name: _sum(list(splits.values()), COUNTS) for name, splits in classes.items()}
    total = _sum(list(sums.values()), COUNTS)
    entries = [(name, part, entry) for name, splits in classes.items() for part, entry in splits.items()]
    return Funnel(
        classes=sums,
        total=total,
        hosts=_largest_hosts(hosts) if hosts.keys() != {LOCAL_HOST} else {},
        dropped=dropped,
        notices=[*_on_placeholders(raw.get("placeholders", [])), *_on_near_duplicates(near)],
        shortages=[
            f"{name}, {part}: {entry['kept']} images of the {entry['wanted']} wanted."
            for name, part, entry in entries
            if name not in dropped and entry["kept"] < entry["wanted"]
        ],
        complaints=[
            *(sentence for name, part, entry in entries for sentence in _inconsistencies(f"{name}, {part}", entry)),
            *_inconsistencies_of_hosts(hosts, total),
        ],
        compared=near.get("rule") != "ignore",
        pairs=near.get("number", 0) if near.get("rule") == "report" else 0,
    )


def _splits(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of a class by split, without the entry `dropped`."""
    return {part: counts for part, counts in entry.items() if part != "dropped"}


def _is_class(entry: Any) -> bool:
    return isinstance(entry, dict) and all(map(_is_entry, _splits(entry).values()))


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("rejected"), dict):
        return False
    numbers = [*(entry.get(name) for name in COUNTS), *entry["rejected"].values()]
    return all(isinstance(number, int) for number in numbers)


def _sum(entries: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    rejected: Counter[str] = Counter()
    for entry in entries:
        rejected.update(entry["rejected"])
    reasons = dict(by_frequency(rejected))
    return {name: sum(entry[name] for entry in entries) for name in names} | {"rejected": reasons}


def _largest_hosts(hosts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    ordered = sorted(hosts.items(), key=lambda item: (-item[1]["tried"], item[0]))
    shown, rest = ordered[:HOSTS_SHOWN], ordered[HOSTS_SHOWN:]
    if rest:
        shown.append((f"{counted(len(rest), 'other')}", _sum([counts for _, counts in rest], HOST_COUNTS)))
    return dict(shown)


def _on_placeholders(found: Sequence[dict[str, Any]]) -> list[str]:
    if not found:
        return []
    urls = sum(one["urls"] for one in found)
    first = max(found, key=lambda one: (one["urls"], one["sha256"]))
    sentence = (
        f"{first['urls']:,} URLs returned the same bytes (SHA-256 {first['sha256'][:12]}…), which were treated as a "
        "placeholder and left out."
    )
    if len(found) > 1:
        sentence += f" Other placeholders: {len(found) - 1:,}, returned by {urls - first['urls']:,} URLs."
    return [f"{sentence} funnel.json has an example URL for each."]


def _on_near_duplicates(found: dict[str, Any]) -> list[str]:
    sentences = []
    number, within = found.get("number", 0), f"perceptual hashes that differ in at most {found.get('bits')} of 64 bits"
    if number and found["rule"] == "remove":
        images = counted(number, "near-duplicate")
        sentences.append(f"Left out: {images} of images in another split ({within}).")
    elif number:
        pairs = counted(number, "pair")
        sentences.append(f"Near-duplicates in different splits ({within}): {pairs}, listed in near_copies.tsv.")
    if missed := found.get("not_hashed", 0):
        sentences.append(f"Not compared with the others because they could not be decoded: {counted(missed, 'image')}.")
    return sentences


def _inconsistencies(where: str, entry: dict[str, Any]) -> list[str]:
    complaints = []
    rejected = sum(entry["rejected"].values())
    if entry["tried"] != entry["ok"] + rejected:
        complaints.append(
            f"{where}: {entry['tried']} tried, but {entry['ok']} good and {rejected} rejected add up to "
            f"{entry['ok'] + rejected}."
        )
    used = entry["duplicates"] + entry["near_copies"] + entry["spare"] + entry["kept"]
    if entry["ok"] != used:
        complaints.append(
            f"{where}: {entry['ok']} good, but duplicates, near-duplicates, spare and used images add up to {used}."
        )
    return complaints


def _inconsistencies_of_hosts(hosts: dict[str, dict[str, Any]], total: dict[str, Any]) -> list[str]:
    """Return a sentence for each count whose sum over hosts differs from its sum over classes."""
    over_all = _sum(list(hosts.values()), HOST_COUNTS)
    return [
        f"All hosts: {over_all[name]} {name}, but {total[name]} over all classes."
        for name in HOST_COUNTS
        if hosts and over_all[name] != total[name]
    ]
