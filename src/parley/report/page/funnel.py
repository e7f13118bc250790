"""The way of the images, from candidates to those that are used."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import read_json
from parley.core.formats import counted

COUNTS = ("candidates", "tried", "ok", "duplicates", "near_copies", "spare", "kept", "wanted")
"""In the order in which images pass: `tried` = `ok` + rejected, `ok` = duplicates + near copies + `spare` + `kept`."""
HOST_COUNTS = ("tried", "ok")
HOSTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Funnel:
    """Counts of images.

    Attributes
    ----------
    classes
        Class → counts of `COUNTS` over its parts, and `rejected`: reason → count, the most frequent first.
    total
        The same over all classes.
    hosts
        Host → `tried`, `ok` and `rejected`, for the hosts most asked; what is left stands last, under their number.
    dropped
        Class → why it was left out.
    notices
        Sentences about what was taken out or stands out: placeholders, and images that look the same.
    shortages
        Sentences about parts that got fewer images than wanted.
    complaints
        Sentences about counts that do not add up.
    """

    classes: dict[str, dict[str, Any]]
    total: dict[str, Any]
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    shortages: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def read_funnel(path: str | Path) -> Funnel:
    """Read the counts that settling the splits wrote.

    Under `classes`, class → part → counts, and `dropped: true` beside the parts of a class left out; what
    else is there is told where it is there.

    Raises
    ------
    ParleyError
        When the file is not of that form.
    """
    try:
        return _funnel(read_json(path), path)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ParleyError(f"{path} is not what settling wrote ({error!r}); settle the splits again.") from error


def _funnel(raw: Any, path: str | Path) -> Funnel:
    listed = raw.get("classes") if isinstance(raw, dict) else None
    classes = {name: _parts(entry) for name, entry in listed.items()} if isinstance(listed, dict) else {}
    if not isinstance(listed, dict) or not all(_is_class(parts) for parts in classes.values()):
        raise ParleyError(
            f"{path} must give, under classes, for each class and part {', '.join(COUNTS)} and rejected "
            "(reason to count); settle the splits again."
        )
    hosts, dropped = raw.get("hosts", {}), raw.get("dropped_classes", {})
    sums = {name: _sum(list(parts.values()), COUNTS) for name, parts in classes.items()}
    total = _sum(list(sums.values()), COUNTS)
    return Funnel(
        classes=sums,
        total=total,
        hosts=_most_asked(hosts),
        dropped=dropped,
        notices=[*_of_placeholders(raw.get("placeholders", [])), *_of_near_copies(raw.get("near_copies", {}))],
        shortages=_shortages({name: parts for name, parts in classes.items() if name not in dropped}),
        complaints=[*_complaints(classes), *_complaints_of_hosts(hosts, total)],
    )


def _parts(entry: Any) -> Any:
    """Return the parts of a class's entry, without what else is said of the class."""
    return {part: counts for part, counts in entry.items() if part != "dropped"} if isinstance(entry, dict) else entry


def _is_class(parts: Any) -> bool:
    return isinstance(parts, dict) and all(_is_entry(entry) for entry in parts.values())


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("rejected"), dict):
        return False
    numbers = [*(entry.get(name) for name in COUNTS), *entry["rejected"].values()]
    return all(isinstance(number, int) for number in numbers)


def _sum(entries: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, Any]:
    rejected: Counter[str] = Counter()
    for entry in entries:
        rejected.update(entry["rejected"])
    reasons = dict(sorted(rejected.items(), key=lambda item: (-item[1], item[0])))
    return {name: sum(entry[name] for entry in entries) for name in names} | {"rejected": reasons}


def _most_asked(hosts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    ordered = sorted(hosts.items(), key=lambda item: (-item[1]["tried"], item[0]))
    shown, rest = ordered[:HOSTS_SHOWN], ordered[HOSTS_SHOWN:]
    if rest:
        shown.append((f"{counted(len(rest), 'other')}", _sum([counts for _, counts in rest], HOST_COUNTS)))
    return dict(shown)


def _of_placeholders(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return []
    urls = sum(one["urls"] for one in found)
    first = max(found, key=lambda one: (one["urls"], one["sha256"]))
    more = f" The same goes for {counted(len(found) - 1, 'other picture')}, under {urls - first['urls']:,} URLs."
    return [
        f"The same bytes (SHA-256 {first['sha256'][:12]}…) came under {first['urls']:,} URLs; they are taken for a "
        f"placeholder and left out.{more if len(found) > 1 else ''} funnel.json names a URL of each."
    ]


def _of_near_copies(found: dict[str, Any]) -> list[str]:
    sentences = []
    number, within = found.get("number", 0), f"by perceptual hash, at most {found.get('bits')} of 64 bits apart"
    if number and found["rule"] == "remove":
        sentences.append(f"{counted(number, 'image')} looked like one of another part ({within}) and were left out.")
    elif number:
        sentences.append(
            f"{counted(number, 'pair')} of used images of different parts look the same ({within}); "
            "near_copies.tsv lists them."
        )
    if missed := found.get("not_hashed", 0):
        sentences.append(f"{counted(missed, 'image')} could not be decoded and so compared with no other.")
    return sentences


def _shortages(classes: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{name}, {part}: {entry['kept']} images of the {entry['wanted']} wanted."
        for name, parts in classes.items()
        for part, entry in parts.items()
        if entry["kept"] < entry["wanted"]
    ]


def _complaints(classes: dict[str, dict[str, Any]]) -> list[str]:
    return [
        sentence
        for name, parts in classes.items()
        for part, entry in parts.items()
        for sentence in _complaints_of_part(f"{name}, {part}", entry)
    ]


def _complaints_of_part(where: str, entry: dict[str, Any]) -> list[str]:
    complaints = []
    rejected = sum(entry["rejected"].values())
    if entry["tried"] != entry["ok"] + rejected:
        complaints.append(
            f"{where}: {entry['tried']} tried, but {entry['ok']} good and {rejected} rejected make "
            f"{entry['ok'] + rejected}."
        )
    used = entry["duplicates"] + entry["near_copies"] + entry["spare"] + entry["kept"]
    if entry["ok"] != used:
        complaints.append(f"{where}: {entry['ok']} good, but {used} duplicate, near-copy, spare and used ones.")
    return complaints


def _complaints_of_hosts(hosts: dict[str, dict[str, Any]], total: dict[str, Any]) -> list[str]:
    """Say so where the hosts' counts are not those of the classes."""
    if not hosts:
        return []
    over_all = _sum(list(hosts.values()), HOST_COUNTS)
    return [
        f"All hosts: {over_all[name]} {name}, but {total[name]} over all classes."
        for name in HOST_COUNTS
        if over_all[name] != total[name]
    ]
