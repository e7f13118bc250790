"""Class sets: the classes of an experiment, each with its WordNet synset, domain, group and description."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parley.core.errors import Findings
from parley.core.files import read_table, write_table

IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER = "in", "out", "transfer"
DOMAINS = (IN_DOMAIN, OUT_OF_DOMAIN, TRANSFER)
LONGEST_NAME_BYTES = 100
# Windows device names, with any suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
# Letters of other scripts and the Latin letters they resemble. No two letters of one script map to the same letter,
# so that two different words of one script stay different.
_LOOK_ALIKES = str.maketrans(
    "авекмнорстухіјѕԁԛԝյοαεικνρτυχωβη",
    "abekmhopctyxijsdqwjoaeikvptuxwbn",
)
_WNID = re.compile(r"n\d{8}", re.ASCII)
# A name becomes a file name, a Snakemake pattern and a field of descriptions.csv.
_FORBIDDEN = {
    "/": "a path separator",
    "\\": "a path separator",
    ",": "a comma",
    "{": "a brace",
    "}": "a brace",
    **dict.fromkeys(':*?"<>|', "a mark that some systems have no file names with"),
}


@dataclass(frozen=True, slots=True)
class ImageClass:
    """One class of a class set.

    Attributes
    ----------
    name
        Its name in files and reports.
    wnid
        Its WordNet 3.0 synset, `n` and eight digits; empty for a class outside WordNet, which
        then has its own description.
    domain
        `in` (trained on), `out` (unseen, of the same kind) or `transfer` (unseen, of another kind).
    group
        A label for reports, or empty.
    description
        Its own text, or empty for WordNet's gloss.
    """

    name: str
    wnid: str
    domain: str
    group: str = ""
    description: str = ""


def read_class_set(path: str | Path) -> list[ImageClass]:
    """Read a class set: a TSV with the columns class, wnid, domain and, if wanted, group, description.

    Raises
    ------
    ParleyError
        Lists every finding with its file, line and class.
    """
    rows = read_table(path, ["class", "wnid", "domain"])
    classes = [_class_of(row) for row in rows]
    findings = Findings()
    for line, image_class in enumerate(classes, start=2):
        where = f"{path}, line {line}, class {image_class.name!r}"
        findings.extend(f"{where}: {problem}" for problem in _problems(image_class))
    findings.extend(_duplicates(path, classes))
    if not any(image_class.domain == IN_DOMAIN for image_class in classes):
        findings.add(f"{path} has no class with domain 'in'; at least one class must be trained on.")
    findings.raise_if_any()
    return classes


def write_class_set(path: str | Path, classes: Iterable[ImageClass]) -> None:
    """Write a class set in the form that `read_class_set` reads."""
    rows = ((one.name, one.wnid, one.domain, one.group, one.description) for one in classes)
    write_table(path, ("class", "wnid", "domain", "group", "description"), rows)


def realised_class_set(path: str | Path | None, classes: Sequence[ImageClass]) -> Sequence[ImageClass]:
    """Return the class set after dropping classes: that of the file, if one is given, else `classes`."""
    return read_class_set(path) if path else classes


def in_label_order(classes: Iterable[ImageClass]) -> list[ImageClass]:
    """Return the classes by label id: in-domain, then out, then transfer; within a domain in the set's order."""
    return sorted(classes, key=lambda image_class: DOMAINS.index(image_class.domain))


def _class_of(row: dict[str, str]) -> ImageClass:
    return ImageClass(
        name=row["class"],
        wnid=row["wnid"].strip(),
        domain=row["domain"].strip(),
        group=row.get("group", "").strip(),
        description=row.get("description", "").strip(),
    )


def _problems(image_class: ImageClass) -> list[str]:
    problems = _name_problems(image_class.name)
    if not image_class.wnid and not image_class.description:
        problems.append("it has neither a wnid nor a description; give one of the two.")
    if image_class.wnid and not _WNID.fullmatch(image_class.wnid):
        problems.append(f"the wnid {image_class.wnid!r} is not 'n' and eight digits, as in n02129165.")
    if image_class.domain not in DOMAINS:
        problems.append(f"the domain {image_class.domain!r} is none of {', '.join(DOMAINS)}.")
    return problems


def _name_problems(name: str) -> list[str]:
    """Return why a name cannot be a file name on every system or a field of a table."""
    if not name.strip():
        return ["the name is empty; every class needs one."]
    found = [f"the name holds {why} ({mark}); take it out." for mark, why in _FORBIDDEN.items() if mark in name]
    if ".." in name:
        found.append("the name holds '..'; take it out.")
    if name.startswith("."):
        found.append("the name begins with a dot, which hides files; take it off.")
    if name.endswith("."):
        found.append("the name ends with a dot, which some systems drop; take it off.")
    if _RESERVED.fullmatch(name):
        found.append("the name is reserved for a device on Windows; choose another.")
    if name != name.strip():
        found.append("the name begins or ends with a space; take it off.")
    if not name.isprintable():
        found.append("the name holds a control character or one that cannot be shown; take it out.")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME_BYTES:
        found.append(f"the name is longer than {LONGEST_NAME_BYTES} bytes; shorten it.")
    return found


def _duplicates(path: str | Path, classes: Sequence[ImageClass]) -> list[str]:
    """Return the classes whose name or wnid is on an earlier line; names that differ only in case are equal."""
    names: dict[str, int] = {}
    wnids: dict[str, int] = {}
    found = []
    for line, image_class in enumerate(classes, start=2):
        first = names.setdefault(_confusable_form(image_class.name), line)
        if first != line and image_class.name.strip():
            found.append(
                f"{path}, line {line}: the class {image_class.name!r} is already on line {first} "
                "(names that differ in case only are one file on some systems, and names that only look alike "
                "are one to people); rename or remove one."
            )
        first = wnids.setdefault(image_class.wnid, line)
        if first != line and image_class.wnid:
            found.append(
                f"{path}, line {line}, class {image_class.name!r}: the wnid {image_class.wnid} is already on "
                f"line {first}; two classes cannot share their images."
            )
    return found


def _confusable_form(name: str) -> str:
    """Return the same text for names that are the same file on some systems, or look the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).translate(_LOOK_ALIKES)


def read_groups(path: str | Path | None) -> dict[str, str]:
    """Return the group of each class that has one; empty without a class set."""
    if not path:
        return {}
    return {row["class"]: row["group"] for row in read_table(path, ["class"]) if row.get("group")}
