"""Check names that become names of files, so that results can be copied to any system and opened anywhere."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

LONGEST_NAME_BYTES = 100
LONGEST_FILE_NAME_BYTES = 255 - len("..0123456789ab.part")
"""Longest name of a file for which the name of its temporary file (`core.files`) fits into the 255 bytes of Linux."""
# Names that Windows reserves for devices, with or without a suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
# Maps letters of other scripts to the Latin letters that they resemble. No two letters of one script map to the same
# letter, so two different words in one script remain different.
_LOOK_ALIKES = str.maketrans(
    "авекмнорстухіјѕԁԛԝյοαεικνρτυχωβη",
    "abekmhopctyxijsdqwjoaeikvptuxwbn",
)
# Characters not allowed in a name, which may be used in file names, Snakemake patterns and descriptions.csv.
_FORBIDDEN = {
    "/": "a path separator",
    "\\": "a path separator",
    ",": "a comma",
    "{": "a brace",
    "}": "a brace",
    **dict.fromkeys(':*?"<>|', "a character that some systems do not allow in file names"),
}


def name_problems(name: str) -> list[str]:
    """Return the reasons why a name cannot be used as a file name on every system or as a field of a table."""
    if not name.strip():
        return ["the name is empty; give it one."]
    found = [f"the name contains {why} ({mark}); remove it." for mark, why in _FORBIDDEN.items() if mark in name]
    if ".." in name:
        found.append("the name contains '..'; remove it.")
    if name.startswith("."):
        found.append("the name begins with a dot, which hides files; remove it.")
    if unicodedata.normalize("NFKC", name)[0] in "=+-@":
        found.append(f"the name begins with {name[0]}, which spreadsheets take for a formula; change it.")
    if name.endswith("."):
        found.append("the name ends with a dot, which some systems remove; change the name.")
    if _RESERVED.fullmatch(name):
        found.append("the name is reserved for a device on Windows; choose another.")
    if name != name.strip():
        found.append("the name begins or ends with a space; remove it.")
    if not name.isprintable():
        found.append("the name contains a control character or another unprintable one; remove it.")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME_BYTES:
        found.append(f"the name is longer than {LONGEST_NAME_BYTES} bytes; shorten it.")
    return found


def spellings(name: str) -> list[str]:
    """Return a name, then its composed (NFC) and decomposed (NFD) forms if they differ: all are the same name."""
    return list(dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))))


def confusable_form(name: str) -> str:
    """Normalise a name. Names that look alike, or name the same file on some systems, give equal results."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).translate(_LOOK_ALIKES)


def length_problems(paths: Iterable[str]) -> list[str]:
    """Return an error message for each name in the paths that is too long for a file system."""
    names = {name: len(name.encode("utf-8", "surrogatepass")) for path in paths for name in Path(path).parts}
    return [
        f"A file name would be {length} bytes long, of at most {LONGEST_FILE_NAME_BYTES} ({name[:60]!r} and so on); "
        "shorten the name of the class set's file, experiment, run or table, or lower seeds_per_job."
        for name, length in names.items()
        if length > LONGEST_FILE_NAME_BYTES
    ]
