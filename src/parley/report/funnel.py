"""The way of the images, from candidates to those that are used."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parley.errors import ParleyError
from parley.files import read_json

COUNTS = ("candidates", "tried", "ok", "duplicates", "spare", "kept", "wanted")
"""In the order in which images pass: `tried` = `ok` + rejected, `ok` = duplicates + `spare` + `kept`."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """Counts of images.

    Attributes
    ----------
    classes
        Class → counts of `COUNTS` over its parts, and `rejected`: reason → count, the most frequent first.
    total
        The same over all classes.
    shortages
        Sentences about parts that got fewer images than wanted.
    complaints
        Sentences about counts that do not add up.
    """

    classes: dict[str, dict[str, Any]]
    total: dict[str, Any]
    shortages: list[str]
    complaints: list[str]


def read_funnel(path: str | Path) -> Funnel:
    """Read the counts that settling the splits wrote: under `classes`, class → part → counts.

    Raises
    ------
    ParleyError
        When the file is not of that form.
    """
    raw = read_json(path)
    classes = raw.get("classes") if isinstance(raw, dict) else None
    if not isinstance(classes, dict) or not all(_is_class(parts) for parts in classes.values()):
        raise ParleyError(
            f"{path} must give, under classes, for each class and part {', '.join(COUNTS)} and rejected "
            "(reason to count); settle the splits again."
        )
    sums = {name: _sum(list(parts.values())) for name, parts in classes.items()}
    shortages = [
        f"{name}, {part}: {entry['kept']} images of the {entry['wanted']} wanted."
        for name, parts in classes.items()
        for part, entry in parts.items()
        if entry["kept"] < entry["wanted"]
    ]
    complaints = [
        sentence
        for name, parts in classes.items()
        for part, entry in parts.items()
        for sentence in _complaints(f"{name}, {part}", entry)
    ]
    return Funnel(sums, _sum(list(sums.values())), shortages, complaints)


def _is_class(parts: Any) -> bool:
    return isinstance(parts, dict) and all(_is_entry(entry) for entry in parts.values())


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("rejected"), dict):
        return False
    numbers = [*(entry.get(name) for name in COUNTS), *entry["rejected"].values()]
    return all(isinstance(number, int) for number in numbers)


def _sum(entries: list[dict[str, Any]]) -> dict[str, Any]:
    rejected: Counter[str] = Counter()
    for entry in entries:
        rejected.update(entry["rejected"])
    reasons = dict(sorted(rejected.items(), key=lambda item: (-item[1], item[0])))
    return {name: sum(entry[name] for entry in entries) for name in COUNTS} | {"rejected": reasons}


def _complaints(where: str, entry: dict[str, Any]) -> list[str]:
    complaints = []
    rejected = sum(entry["rejected"].values())
    if entry["tried"] != entry["ok"] + rejected:
        complaints.append(
            f"{where}: {entry['tried']} tried, but {entry['ok']} good and {rejected} rejected make "
            f"{entry['ok'] + rejected}."
        )
    used = entry["duplicates"] + entry["spare"] + entry["kept"]
    if entry["ok"] != used:
        complaints.append(f"{where}: {entry['ok']} good, but {used} duplicate, spare and used ones.")
    return complaints
