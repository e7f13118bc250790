"""Describe each class by its text in the class set, or else by its gloss (definition) in WordNet 3.0.

WordNet's files are read directly, without a library. A wnid (WordNet id) contains a byte offset in version 3.0.
"""

import logging
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parley.core.errors import Findings, ParleyError
from parley.dataset.class_set import ImageClass, in_label_order
from parley.text.descriptions import Description

logger = logging.getLogger(__name__)


DEBIAN_DIRECTORY = "/usr/share/wordnet"
NLTK = "nltk"
DATA, INDEX = "data.noun", "index.noun"
ANIMAL_FILE = "05"  # number of the lexicographer file noun.animal, to which all synsets of animals belong
_VERSION = b"WordNet 3.0 Copyright"
# Size of the licence text, which states the version and precedes the first synset.
_HEADER_BYTES = 1740
# Quoted examples follow the definition: "a feline; \"the cat sat\"". Quotes inside the definition are kept.
_EXAMPLES = re.compile(r'[;:]\s*".*', re.DOTALL)
_HOW_TO_GET_IT = (
    "install Debian's package wordnet-base and set `descriptions.wordnet` to /usr/share/wordnet, "
    "or download NLTK's corpus 'wordnet' and set it to nltk"
)


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
        return found[1]

    def animal_gloss(self, name: str) -> str:
        """Return the definition of a name's first sense that is an animal.

        The original implementation (Evtimova et al., 2018) describes its classes in this way. The sense found may be
        another animal than the class: the class peacock is described as a butterfly.

        Parameters
        ----------
        name
            Name of the class, case-insensitive; spaces and underscores are equivalent.
        """
        lemma = re.escape(name.lower().replace(" ", "_").encode())
        line = re.search(rb"^" + lemma + rb" n (.*)$", self.index, re.MULTILINE)
        # The line lists the lemma, part of speech, counts, pointer symbols and synset offsets. Only the offsets have
        # eight digits. The synset of the most frequent sense is first.
        for offset in re.findall(r"\b\d{8}\b", line[1].decode("ascii")) if line else []:
            found = self._synset_at(offset)
            if found is not None and found[0] == ANIMAL_FILE:
                return found[1]
        raise ParleyError(
            f"No sense of {name!r} in WordNet 3.0 ({self.source}) is an animal; "
            "set `gloss: corrected`, which looks up the wnid, or describe the class in the class set."
        )

    def _synset_at(self, offset: str) -> tuple[str, str] | None:
        """Return a synset's lexicographer file number and definition without quoted examples, given its byte offset.

        Return None if no synset starts at this offset.
        """
        if not re.fullmatch(r"\d{8}", offset, re.ASCII):
            return None
        start = int(offset)
        line = self.data[start : self.data.find(b"\n", start)].decode("latin-1")
        fields, bar, gloss = line.partition(" | ")
        found = re.match(rf"{offset} (\d\d) n [0-9a-f]{{2}} ", fields)
        return (found[1], _EXAMPLES.sub("", gloss).strip(" ;")) if bar and found else None


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
    """Read the first `size` bytes (-1: all) of a file of WordNet, which is in a directory or in NLTK's zip file."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(f"wordnet/{name}") as stream:
            return stream.read(size)
    with (path / name).open("rb") as file:
        return file.read(size)


GLOSS_RULES = ("corrected", "original")
# For the original implementation, every comma starts a new field; for the csv module, a quote may start a quoted field.
_TO_SPACES = str.maketrans(dict.fromkeys(',"', " "))


def needs_wordnet(classes: Iterable[ImageClass]) -> bool:
    """Return True if any class has no description in the class set, so that WordNet is needed."""
    return any(not image_class.description for image_class in classes)


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
            findings.extend(f"Class {image_class.name!r}: {sentence}" for sentence in error.findings)
            continue
        if not text:
            findings.add(f"Class {image_class.name!r}: its description is empty; write one into the class set.")
        described.append(Description(label_id, image_class.name, text))
    findings.raise_if_any()
    labels: dict[str, list[str]] = {}
    for description in described:
        labels.setdefault(description.text, []).append(description.label)
    for text, names in labels.items():
        if len(names) > 1:
            logger.warning(
                "The classes %s have the same description and are indistinguishable: %s", ", ".join(names), text
            )
    return described


def in_one_field(text: str) -> str:
    """Replace each run of commas, double quotes, line breaks and spaces with one space."""
    return " ".join(text.translate(_TO_SPACES).split())
