"""Describe each class by its text in the class set, or else by its gloss (definition) in WordNet 3.0.

WordNet's files are read directly, without a library. A wnid (WordNet id) contains a byte offset in version 3.0.
"""

import logging
import os
import re
import sys
import textwrap
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import Findings, ParleyError, did_you_mean
from parley.dataset.class_set import ImageClass, in_label_order
from parley.text.descriptions import Description

logger = logging.getLogger(__name__)


DEBIAN_DIRECTORY = "/usr/share/wordnet"
NLTK = "nltk"
DATA, INDEX = "data.noun", "index.noun"
_FIELD_NAMES = (
    "top", "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event",
    "feeling", "food", "group", "location", "motive", "object", "person", "phenomenon", "plant", "possession",
    "process", "quantity", "relation", "shape", "state", "substance", "time",
)  # fmt: skip
FIELDS = dict(enumerate(_FIELD_NAMES, start=3))
"""Field of meaning by number of WordNet's lexicographer file. File 5, noun.animal, has the field animal."""
_VERSION = b"WordNet 3.0 Copyright"
# Size of the licence text, which states the version and precedes the first synset.
_HEADER_BYTES = 1740
# Quoted examples follow the definition: "a feline; \"the cat sat\"". Quotes inside the definition are kept.
_EXAMPLES = re.compile(r'[;:]\s*".*', re.DOTALL)
_HOW_TO_GET_IT = (
    "install Debian's package wordnet-base and set `descriptions.wordnet` to /usr/share/wordnet, "
    "or download NLTK's corpus 'wordnet' and set it to nltk"
)


class Sense(NamedTuple):
    """A synset (set of synonyms), which is one sense of its words."""

    wnid: str
    field: str
    """Field of meaning, such as animal, person or artifact."""
    words: list[str]
    gloss: str
    """Definition, without quoted examples."""


@dataclass(frozen=True)
class WordNet:
    """The nouns of WordNet 3.0.

    Attributes
    ----------
    source
        Path from which the nouns were read, used in error messages.
    data
        Content of ``data.noun``; a synset (set of synonyms) is identified by its byte offset in this file.
    index
        Content of ``index.noun``.
    """

    source: str
    data: bytes
    index: bytes

    def gloss(self, wnid: str) -> str:
        """Return the definition for a wnid, which is ``n`` and a synset's eight-digit byte offset in ``data.noun``.

        Raises
        ------
        ParleyError
            If no noun synset starts at that offset.
        """
        found = self._synset_at(wnid[1:])
        if wnid[:1] != "n" or found is None:
            raise ParleyError(
                f"The wnid {wnid} is not a noun of WordNet 3.0 ({self.source}); "
                "offsets of other versions differ, so look the class up in 3.0 or describe it in the class set."
            )
        return found.gloss

    def senses(self, name: str) -> list[Sense]:
        """Return the senses of a noun, the most frequent first; empty if WordNet does not contain it.

        Parameters
        ----------
        name
            The noun, case-insensitive; spaces and underscores are equivalent.
        """
        lemma = re.escape("_".join(name.lower().replace("_", " ").split()).encode())
        line = re.search(rb"^" + lemma + rb" n (.*)$", self.index, re.MULTILINE)
        # The line lists the lemma, part of speech, counts, pointer symbols and synset offsets. Only the offsets have
        # eight digits. The synset of the most frequent sense is first.
        offsets = re.findall(r"\b\d{8}\b", line[1].decode("ascii")) if line else []
        return [sense for offset in offsets if (sense := self._synset_at(offset)) is not None]

    def similar(self, name: str) -> str:
        """Return a question that suggests the noun whose spelling is most similar to `name`; '' if none is."""
        lemmas = re.findall(rb"^([^ ]+) n ", self.index, re.MULTILINE)
        nouns = (lemma.decode("latin-1").replace("_", " ") for lemma in lemmas)
        return did_you_mean(name.lower(), (noun for noun in nouns if abs(len(noun) - len(name)) < 4), cutoff=0.75)

    def animal_gloss(self, name: str) -> str:
        """Return the definition of a name's first sense that is an animal.

        The original implementation (Evtimova et al., 2018) describes its classes in this way. The sense found may be
        another animal than the class: the class peacock is described as a butterfly.

        Parameters
        ----------
        name
            Name of the class, case-insensitive; spaces and underscores are equivalent.
        """
        for sense in self.senses(name):
            if sense.field == "animal":
                return sense.gloss
        raise ParleyError(
            f"No sense of {name!r} in WordNet 3.0 ({self.source}) is an animal; "
            "set `gloss: corrected`, which looks up the wnid, or describe the class in the class set."
        )

    def _synset_at(self, offset: str) -> Sense | None:
        """Return the synset at a byte offset; None if no synset starts there."""
        if not re.fullmatch(r"\d{8}", offset, re.ASCII):
            return None
        start = int(offset)
        line = self.data[start : self.data.find(b"\n", start)].decode("latin-1")
        fields, bar, gloss = line.partition(" | ")
        found = re.match(rf"{offset} (\d\d) n ([0-9a-f]{{2}}) (.*)", fields)
        if not bar or found is None:
            return None
        # Each word is followed by a number that distinguishes its senses.
        words = found[3].split()[: 2 * int(found[2], 16) : 2]
        names = [word.replace("_", " ") for word in words]
        return Sense(f"n{offset}", FIELDS.get(int(found[1]), ""), names, _EXAMPLES.sub("", gloss).strip(" ;"))


def open_wordnet(source: str | Path) -> WordNet:
    """Read WordNet's nouns.

    Parameters
    ----------
    source
        A directory with ``data.noun`` and ``index.noun`` (Debian's is `DEBIAN_DIRECTORY`), or
        ``nltk`` for the corpus ``wordnet`` in one of NLTK's usual folders, unpacked or as a zip file.

    Raises
    ------
    ParleyError
        If the files are missing or of another WordNet version.
    """
    path = _corpus_path(source)
    if findings := _problems(path):
        raise ParleyError(findings)
    return WordNet(str(path), _read(path, DATA), _read(path, INDEX))


def check_wordnet(source: str | Path) -> list[str]:
    """Return error messages if a source is not WordNet 3.0, without reading whole files."""
    try:
        return _problems(_corpus_path(source))
    except ParleyError as error:
        return error.findings


def _corpus_path(source: str | Path) -> Path:
    """Return WordNet's path; for ``nltk``, the first existing path among those that NLTK searches."""
    if str(source) != NLTK:
        return Path(source)
    named = [Path(folder) for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    prefix = Path(sys.prefix)
    shared = [prefix / "nltk_data", prefix / "share/nltk_data", prefix / "lib/nltk_data"]
    system = [Path(root) / "nltk_data" for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    for folder in [*named, Path.home() / "nltk_data", *shared, *system]:
        for name in ("wordnet", "wordnet.zip"):
            if (folder / "corpora" / name).exists():
                return folder / "corpora" / name
    raise ParleyError(
        "NLTK's corpus 'wordnet' is in none of its usual folders; run `python -m nltk.downloader wordnet`, "
        "set NLTK_DATA to the folder that contains corpora/wordnet, or set `descriptions.wordnet` to a folder "
        "of WordNet 3.0."
    )


def _problems(path: Path) -> list[str]:
    try:
        start = _read(path, DATA, _HEADER_BYTES)
        _read(path, INDEX, 1)
    except (OSError, KeyError, zipfile.BadZipFile):
        return [f"WordNet is not at {path}: {DATA} or {INDEX} is missing or unreadable; {_HOW_TO_GET_IT}."]
    if _VERSION not in start:
        return [f"{path / DATA} is not WordNet 3.0, and the wnids are byte offsets of that version; {_HOW_TO_GET_IT}."]
    return []


def _read(path: Path, name: str, size: int = -1) -> bytes:
    """Read the first `size` bytes (all if -1) of a WordNet file, which is in a directory or in NLTK's zip file."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(f"wordnet/{name}") as stream:
            return stream.read(size)
    with (path / name).open("rb") as file:
        return file.read(size)


GLOSS_RULES = ("corrected", "original")
# In descriptions.csv, the original implementation splits at every comma, and the csv module interprets quotes.
_TO_SPACES = str.maketrans(dict.fromkeys(',"', " "))


def needs_wordnet(classes: Iterable[ImageClass]) -> bool:
    """Return True if any class has no description in the class set, so that WordNet is needed."""
    return any(not image_class.description for image_class in classes)


MOST_SHOWN = 30
"""Maximum number of glosses that `gloss_lines` shows."""


def describe(classes: Sequence[ImageClass], wordnet: str | Path, gloss: str = "corrected") -> list[Description]:
    """Describe each class by its text in the class set; if it has none, by its gloss (definition) in WordNet.

    Parameters
    ----------
    classes
        The class set, in any order.
    wordnet
        Location of WordNet 3.0 (see `open_wordnet`), which is read only if a class needs it.
    gloss
        ``corrected``: gloss of the class's wnid. ``original``: gloss of the class name's first sense that is an animal.

    Returns
    -------
    list of Description
        Descriptions in the order of label ids, with commas, double quotes and line breaks replaced by spaces.

    Raises
    ------
    ParleyError
        If WordNet is needed and missing, or a class has no description. The error lists all such classes.
    """
    described = _described(classes, wordnet, gloss)
    labels: dict[str, list[str]] = {}
    for description in described:
        labels.setdefault(description.text, []).append(description.label)
    for text, names in labels.items():
        if len(names) > 1:
            logger.warning(
                "The classes %s have the same description and are indistinguishable: %s", ", ".join(names), text
            )
    return described


def _described(classes: Sequence[ImageClass], wordnet: str | Path, gloss: str) -> list[Description]:
    if gloss not in GLOSS_RULES:
        raise ParleyError(f"`gloss` is {gloss!r}; it must be one of {', '.join(GLOSS_RULES)}.")
    glosses = open_wordnet(wordnet) if needs_wordnet(classes) else None
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
    """Return the error messages that `describe` would raise for these arguments; an empty list if there are none."""
    try:
        _described(classes, wordnet, gloss)
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
    rows = _described(looked_up, wordnet, gloss)
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
