"""Class sets: the classes of an experiment, each with its WordNet synset, domain, group and description."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from parley.core.errors import Findings, did_you_mean
from parley.core.file_names import confusable_form, name_problems
from parley.core.files import read_json
from parley.core.formats import counted
from parley.core.tables import read_table, write_table
from parley.core.text import control_characters

IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER = "in", "out", "transfer"
DOMAINS = (IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER)
_COLUMNS = ("class", "wnid", "domain", "group", "description")
_WNID = re.compile(r"n\d{8}", re.ASCII)
# Prefixes of class names in data sets: 001.Black_footed_Albatross, 0 - zero, /a/airfield.
_NUMBERING = re.compile(r"\d+[\W_]+(?=\D)|/[a-z]/")
_MOST_LISTED = 10


@dataclass(frozen=True, slots=True)
class ImageClass:
    """A class of images.

    Attributes
    ----------
    name
        Name of the class in files and reports.
    wnid
        ID of the class's WordNet 3.0 synset: `n` and eight digits. Empty for a class outside WordNet, which then
        has a `description`.
    domain
        `in`: used in training; `out`: unseen in training, of the same kind as the `in` classes; `transfer`: unseen
        in training, of another kind.
    group
        Label under which reports group classes; may be empty.
    description
        Description of the class; empty to use the gloss of its WordNet synset.
    """

    name: str
    wnid: str
    domain: str
    group: str = ""
    description: str = ""


def read_class_set(path: str | Path) -> list[ImageClass]:
    """Read a class set: a TSV with the columns class, wnid and domain, and optionally group and description.

    Raises
    ------
    ParleyError
        If the class set is invalid. The error lists every problem with its file, line and class.
    """
    classes, findings = examine_class_set(path)
    findings.raise_if_any()
    return classes


def examine_class_set(path: str | Path) -> tuple[list[ImageClass], Findings]:
    """Read a class set. Return the classes that are valid (though possibly duplicates), and all problems."""
    rows = read_table(path, ["class", "wnid", "domain"])
    findings, valid = Findings(), []
    for column in rows[0] if rows else ():
        if column not in _COLUMNS:
            hint = did_you_mean(column, _COLUMNS) or f"the columns are {', '.join(_COLUMNS)}."
            findings.add(f"{path} has the unknown column {column!r}; {hint}")
    classes = [ImageClass(row["class"], *(row.get(name, "").strip() for name in _COLUMNS[1:])) for row in rows]
    for line, image_class in enumerate(classes, start=2):
        where = f"{path}, line {line}, class {image_class.name!r}"
        problems = _problems(image_class)
        findings.extend(f"{where}: {problem}" for problem in problems)
        valid += [] if problems else [image_class]
    findings.extend(_duplicates(path, classes))
    if not any(image_class.domain == IN_DOMAIN for image_class in classes):
        findings.add(f"{path} has no class to train on; give at least one class the domain 'in'.")
    return valid, findings


def write_class_set(path: str | Path, classes: Iterable[ImageClass]) -> None:
    """Write a class set as a TSV that `read_class_set` can read."""
    write_table(path, _COLUMNS, map(astuple, classes))


def remaining_classes(funnel: str | Path | None, classes: Sequence[ImageClass]) -> Sequence[ImageClass]:
    """Return the classes except those that `funnel.json` lists as dropped; all classes if its path is None."""
    dropped = read_json(funnel)["dropped_classes"] if funnel else {}
    return [one for one in classes if one.name not in dropped]


def in_label_order(classes: Iterable[ImageClass]) -> list[ImageClass]:
    """Return the classes in order of label id: by domain (`in`, `out`, `transfer`), then in the given order."""
    return sorted(classes, key=lambda image_class: DOMAINS.index(image_class.domain))


def match_classes(
    classes: Iterable[ImageClass],
    others: Collection[tuple[str, ...]],
    where: str,
    fix: str = "correct the class set",
) -> dict[str, tuple[str, ...]]:
    """Find each class among the classes of a data set made elsewhere.

    A class is found by its wnid, else by its exact name, else by its name without regard to case, spaces, punctuation
    and a number before it.

    Parameters
    ----------
    classes
        The classes to find.
    others
        The labels of each class of the data set: names and, if known, a wnid.
    where
        Name of the data set, for error messages.
    fix
        What to do if a class is not found.

    Returns
    -------
    The element of `others` that is the same class, by class name.

    Raises
    ------
    ParleyError
        If a class is not found, or two are the same class, or one is several. The error lists all of them.
    """
    by_label: dict[str, set[tuple[str, ...]]] = {}
    for labels in others:
        for label in labels:
            by_label.setdefault(label, set()).add(labels)
            by_label.setdefault(_plain_form(label), set()).add(labels)
    findings, found = Findings(), {}
    owners: dict[tuple[str, ...], str] = {}
    for one in classes:
        forms = (one.wnid, one.name, _plain_form(one.name))
        same = sorted(next((by_label[form] for form in forms if form in by_label), ()))
        if len(same) > 1:
            several = ", ".join("/".join(labels) for labels in same[:_MOST_LISTED])
            findings.add(f"Class {one.name!r} matches several classes of {where} ({several}); use one's name or wnid.")
        elif not same:
            names = sorted(labels[0] for labels in others)
            some = f"{where} has {counted(len(names), 'class')}, such as {', '.join(names[:_MOST_LISTED])}"
            hint = did_you_mean(one.name, [label for labels in others for label in labels], some)
            findings.add(f"Class {one.name!r} is not in {where} ({hint}); {fix}.")
        elif (first := owners.setdefault(same[0], one.name)) != one.name:
            findings.add(f"Classes {first!r} and {one.name!r} both match {'/'.join(same[0])} of {where}; remove one.")
        else:
            found[one.name] = same[0]
    findings.raise_if_any()
    return found


def _plain_form(label: str) -> str:
    """Return the words of a label, in lower case and without a number before it, after `~`, which no label has."""
    words = re.findall(r"[^\W_]+", _NUMBERING.sub("", unicodedata.normalize("NFKC", label).casefold(), count=1))
    return f"~{' '.join(words)}"


def _problems(image_class: ImageClass) -> list[str]:
    problems = name_problems(image_class.name)
    if not image_class.wnid and not image_class.description:
        problems.append("it has neither a wnid nor a description; give one of the two.")
    if image_class.wnid and not _WNID.fullmatch(image_class.wnid):
        problems.append(f"the wnid {image_class.wnid!r} is not 'n' and eight digits, as in n02129165.")
    for column, text in (("group", image_class.group), ("description", image_class.description)):
        if marks := control_characters(text):
            problems.append(f"the {column} contains control characters ({marks}); remove them.")
    if image_class.domain not in DOMAINS:
        problems.append(f"the domain {image_class.domain!r} is not one of {', '.join(DOMAINS)}.")
    return problems


def _duplicates(path: str | Path, classes: Sequence[ImageClass]) -> list[str]:
    """Return a sentence for each class whose wnid or name (in its `confusable_form`) occurs on an earlier line."""
    names: dict[str, int] = {}
    wnids: dict[str, int] = {}
    found = []
    for line, image_class in enumerate(classes, start=2):
        first = names.setdefault(confusable_form(image_class.name), line)
        if first != line and image_class.name.strip():
            found.append(
                f"{path}, line {line}: the class {image_class.name!r} is already on line {first} "
                "(names that differ only in case are the same file on some systems, and names that look alike "
                "are mistaken for each other); rename or remove one."
            )
        first = wnids.setdefault(image_class.wnid, line)
        if first != line and image_class.wnid:
            found.append(
                f"{path}, line {line}, class {image_class.name!r}: the wnid {image_class.wnid} is already on "
                f"line {first}; two classes cannot share their images."
            )
    return found


def read_groups(path: str | Path | None) -> dict[str, str]:
    """Return the group of each class that has one, by class name; empty if there is no class set."""
    if not path:
        return {}
    return {row["class"]: row["group"] for row in read_table(path, ["class"]) if row.get("group")}
