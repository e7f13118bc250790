"""Read glosses from the files of WordNet 3.0, without a library."""

import os
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import ParleyError

DEBIAN_DIRECTORY = "/usr/share/wordnet"
NLTK = "nltk"
DATA, INDEX = "data.noun", "index.noun"
ANIMAL_FILE = "05"
_VERSION = b"WordNet 3.0 Copyright"
# The licence, with the version, precedes the first synset.
_HEADER_BYTES = 1740
# Quoted examples follow the definition: "a feline; \"the cat sat\"". Quotes inside the definition are kept.
_EXAMPLES = re.compile(r'[;:]\s*".*', re.DOTALL)
_HOW_TO_GET_IT = (
    "install Debian's package wordnet-base and name /usr/share/wordnet, "
    "or download NLTK's corpus 'wordnet' and name 'nltk'"
)


class Synset(NamedTuple):
    """One noun sense: the number of its lexicographer file, its words, and its definition."""

    lexicographer_file: str
    words: tuple[str, ...]
    definition: str


@dataclass(frozen=True)
class WordNet:
    """The nouns of WordNet 3.0.

    Attributes
    ----------
    source
        Path they were read from, for messages.
    data
        The bytes of ``data.noun``; a synset's number is its byte offset here.
    index
        The bytes of ``index.noun``.
    """

    source: str
    data: bytes
    index: bytes

    def synset(self, wnid: str) -> Synset:
        """Return the synset of a wnid: ``n`` and the eight digits of its byte offset in ``data.noun``.

        Raises
        ------
        ParleyError
            If no noun synset starts at that offset.
        """
        found = self._synset_at(wnid[1:])
        if wnid[:1] != "n" or found is None:
            raise ParleyError(
                f"The wnid {wnid} is not a noun of WordNet 3.0 ({self.source}); "
                "offsets of other versions differ, so look the class up in 3.0 or give it a description of its own."
            )
        return found

    def gloss(self, wnid: str) -> str:
        """Return the definition of a synset, without its quoted examples."""
        return self.synset(wnid).definition

    def animal_gloss(self, name: str) -> str:
        """Return the definition of the first sense of a name that is an animal.

        The original describes its classes this way; the sense may not be that of the class (a peacock becomes a
        butterfly).

        Parameters
        ----------
        name
            The class's name, case-insensitive; spaces and underscores are equivalent.
        """
        for offset in self._senses(name):
            found = self._synset_at(offset)
            if found is not None and found.lexicographer_file == ANIMAL_FILE:
                return found.definition
        raise ParleyError(
            f"No sense of {name!r} in WordNet 3.0 ({self.source}) is an animal; "
            "take gloss: corrected, which looks the wnid up, or give the class a description of its own."
        )

    def _synset_at(self, offset: str) -> Synset | None:
        """Parse the line at a byte offset; None if no synset with that number starts there."""
        if not re.fullmatch(r"\d{8}", offset, re.ASCII):
            return None
        start = int(offset)
        line = self.data[start : self.data.find(b"\n", start)].decode("latin-1")
        fields, bar, gloss = line.partition(" | ")
        if not bar or not re.match(rf"{offset} \d\d n [0-9a-f]{{2}} ", fields):
            return None
        parts = fields.split(" ")
        words = parts[4 : 4 + 2 * int(parts[3], 16) : 2]
        return Synset(parts[1], tuple(words), _EXAMPLES.sub("", gloss).strip(" ;"))

    def _senses(self, name: str) -> list[str]:
        """Return the offsets of a lemma's senses, most frequent first."""
        lemma = re.escape(name.lower().replace(" ", "_").encode())
        found = re.search(rb"^" + lemma + rb" n (.*)$", self.index, re.MULTILINE)
        # lemma, pos, number of senses, pointers, ..., offsets: only the offsets have eight digits.
        return re.findall(r"\b\d{8}\b", found[1].decode("ascii")) if found else []


def open_wordnet(source: str | Path) -> WordNet:
    """Read WordNet's nouns.

    Parameters
    ----------
    source
        A directory with ``data.noun`` and ``index.noun`` (Debian's is `DEBIAN_DIRECTORY`), or
        ``nltk``: the corpus ``wordnet`` in one of NLTK's usual folders, unpacked or as its zip.

    Raises
    ------
    ParleyError
        If the files are missing or of another version.
    """
    path = _corpus_path(source)
    findings = _problems(path)
    if findings:
        raise ParleyError(findings)
    return WordNet(str(path), _read(path, DATA), _read(path, INDEX))


def check_wordnet(source: str | Path) -> list[str]:
    """Return why a source is not WordNet 3.0; empty if it is. Fast."""
    try:
        return _problems(_corpus_path(source))
    except ParleyError as error:
        return error.findings


def nltk_paths() -> list[Path]:
    """Return the paths where NLTK looks for the corpus, in order."""
    named = [Path(folder) for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    prefix = Path(sys.prefix)
    shared = [prefix / "nltk_data", prefix / "share/nltk_data", prefix / "lib/nltk_data"]
    system = [Path(root) / "nltk_data" for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    folders = [*named, Path.home() / "nltk_data", *shared, *system]
    return [folder / "corpora" / name for folder in folders for name in ("wordnet", "wordnet.zip")]


def _corpus_path(source: str | Path) -> Path:
    if str(source) != NLTK:
        return Path(source)
    for path in nltk_paths():
        if path.exists():
            return path
    raise ParleyError(
        "NLTK's corpus 'wordnet' is in none of its usual folders; run `python -m nltk.downloader wordnet`, "
        "set NLTK_DATA to the folder that holds corpora/wordnet, or name a directory with WordNet 3.0's data.noun."
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
    """Read a file of the corpus, which is a directory or NLTK's zip of one; `size` -1 is all of it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(f"wordnet/{name}") as stream:
            return stream.read(size)
    with (path / name).open("rb") as file:
        return file.read(size)
