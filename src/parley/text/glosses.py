"""Describe each class by its text in the class set, or else by its gloss (definition) in WordNet 3.0."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from parley.core.errors import Findings, ParleyError
from parley.core.formats import counted
from parley.dataset.class_set import ImageClass, in_label_order
from parley.text.descriptions import Description
from parley.text.wordnet import WordNet, find_wordnet, open_wordnet

GLOSS_RULES = ("corrected", "original")
# In descriptions.csv, the original implementation splits at every comma, and the csv module interprets quotes.
_TO_SPACES = str.maketrans(dict.fromkeys(',"', " "))


def needs_wordnet(classes: Iterable[ImageClass]) -> bool:
    """Return True if any class has no description in the class set, so that WordNet is needed."""
    return any(not image_class.description for image_class in classes)


MOST_SHOWN = 30
"""Maximum number of glosses that `gloss_lines` shows."""


def describe(
    classes: Sequence[ImageClass],
    wordnet: str | Path,
    gloss: str = "corrected",
    allow_private_hosts: bool = False,
) -> list[Description]:
    """Describe each class by its text in the class set; if it has none, by its gloss (definition) in WordNet.

    Parameters
    ----------
    classes
        The class set, in any order.
    wordnet
        Location of WordNet 3.0 (see `open_wordnet`), which is read only if a class needs it.
    gloss
        ``corrected``: gloss of the class's wnid. ``original``: gloss of the class name's first sense that is an animal.
    allow_private_hosts
        Whether WordNet may be downloaded from an address that is not public.

    Returns
    -------
    list of Description
        Descriptions in the order of label ids, with commas, double quotes and line breaks replaced by spaces.

    Raises
    ------
    ParleyError
        If WordNet is needed and missing, or a class has no description. The error lists all such classes.
    """
    if gloss not in GLOSS_RULES:
        raise ParleyError(f"`gloss` is {gloss!r}; it must be one of {', '.join(GLOSS_RULES)}.")
    glosses = open_wordnet(wordnet, allow_private_hosts) if needs_wordnet(classes) else None
    findings = Findings()
    described = []
    for label_id, image_class in enumerate(in_label_order(classes)):
        try:
            text = image_class.description
            if not text and glosses is not None:
                name, wnid = image_class.name, image_class.wnid
                text = glosses.animal_gloss(name) if gloss == "original" else glosses.gloss(wnid)
            text = in_one_field(text)
        except ParleyError as error:
            findings.add(f"Class {image_class.name!r}: {error}{_known_as(image_class.name, glosses)}")
            continue
        if not text:
            findings.add(f"Class {image_class.name!r}: its description is empty; write one into the class set.")
        described.append(Description(label_id, image_class.name, text))
    findings.raise_if_any()
    return described


def _known_as(name: str, wordnet: WordNet | None) -> str:
    """Return a sentence that states the first WordNet sense of a class's name; an empty string if there is none."""
    senses = wordnet.senses(name) if wordnet is not None else []
    if not senses:
        return ""
    first = f" The first sense of {name!r} is {senses[0].wnid}, {senses[0].gloss}"
    return f"{first}; `uv run parley wnid {name}` lists all {len(senses)}." if len(senses) > 1 else f"{first}."


def check_glosses(classes: Sequence[ImageClass], wordnet: str | Path, gloss: str) -> list[str]:
    """Return the error messages that `describe` would raise, as far as they can be known before a download."""
    try:
        if needs_wordnet(classes) and find_wordnet(wordnet) is None:
            return []
        describe(classes, wordnet, gloss)
    except ParleyError as error:
        return error.findings
    return []


def gloss_lines(classes: Sequence[ImageClass], wordnet: str | Path, gloss: str, file: str) -> list[str]:
    """Return lines that show which gloss describes each class without a description in the class set.

    Parameters
    ----------
    classes, wordnet, gloss
        As for `describe`.
    file
        The file that will contain all descriptions.
    """
    looked_up = [one for one in classes if not one.description]
    if find_wordnet(wordnet) is None:
        return [f"WordNet 3.0 is downloaded first; {file} will show the glosses of {counted(len(looked_up), 'class')}."]
    rows = describe(looked_up, wordnet, gloss)
    width = max((len(row.label) for row in rows[:MOST_SHOWN]), default=0)
    lines = [
        f"{len(rows)} classes are described by WordNet 3.0; `uv run parley wnid NAME` lists the other senses of a name:"
    ]
    lines += [
        f"  {row.label:{width}}  {textwrap.shorten(row.text, 100, placeholder=' ...')}" for row in rows[:MOST_SHOWN]
    ]
    if len(rows) > MOST_SHOWN:
        lines.append(f"  and {len(rows) - MOST_SHOWN} more; all will be in {file}")
    return lines


def in_one_field(text: str) -> str:
    """Replace each run of commas, double quotes, line breaks and spaces with one space."""
    return " ".join(text.translate(_TO_SPACES).split())
