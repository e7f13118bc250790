"""Read the nouns of WordNet 3.0, whose files are read directly, without a library.

A wnid (WordNet id) contains a byte offset in the file of nouns of version 3.0.
"""

import hashlib
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import ParleyError, did_you_mean
from parley.core.files import expand_home, is_web_url, written_aside
from parley.dataset.archives import DAMAGED, decompress_tar, kind_of, open_archive
from parley.dataset.downloads import download
from parley.dataset.partial_downloads import exclusive_lock

AUTO, NLTK = "auto", "nltk"
DEBIAN_DIRECTORY = "/usr/share/wordnet"
PRINCETON_URL = "https://wordnetcode.princeton.edu/3.0/WordNet-3.0.tar.gz"
PRINCETON_CHECKSUM = "sha256:640db279c949a88f61f851dd54ebbb22d003f8b90b85267042ef85a3781d3a52"
WORDNET_FOLDER = "resources/wordnet"
"""Folder of downloaded copies, one per URL."""
_MOST_BYTES = 200_000_000  # WordNet 3.0 is an archive of 12 MB, with 21 MB of nouns.
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
    f"correct `descriptions.wordnet`, or set it to {AUTO}, which finds an installed WordNet 3.0 or downloads it"
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


def open_wordnet(source: str | Path, allow_private_hosts: bool = False) -> WordNet:
    """Read WordNet's nouns, which are downloaded first if necessary.

    Parameters
    ----------
    source
        A folder with ``data.noun`` and ``index.noun``; ``nltk`` for the corpus ``wordnet`` in one of NLTK's usual
        folders, unpacked or as a zip file; the URL of an archive; or ``auto``: the first usable one of Debian's folder
        `DEBIAN_DIRECTORY`, NLTK's corpus and a download of `PRINCETON_URL`.
    allow_private_hosts
        Whether the server of a URL may be at an address that is not public.

    Raises
    ------
    ParleyError
        If the files are missing or of another WordNet version, or cannot be downloaded.
    """
    path = find_wordnet(source)
    if path is None:
        path = _download(PRINCETON_URL if source == AUTO else str(source), allow_private_hosts)
    if findings := _problems(path):
        raise ParleyError(findings)
    return WordNet(str(path), _read(path, DATA), _read(path, INDEX))


def find_wordnet(source: str | Path) -> Path | None:
    """Return the folder, or NLTK's zip file, of a source as for `open_wordnet`; None if it is yet to be downloaded.

    The folder need not exist. `ParleyError` is raised only if the source is ``nltk`` and the corpus is missing.
    """
    if source == AUTO:
        copies = [Path(DEBIAN_DIRECTORY), *_nltk_copies(), _folder_of(PRINCETON_URL)]
        return next((path for path in copies if not _problems(path)), None)
    if source == NLTK:
        if copies := list(_nltk_copies()):
            return copies[0]
        raise ParleyError(
            "NLTK's corpus 'wordnet' is in none of its usual folders; run `python -m nltk.downloader wordnet`, "
            f"set NLTK_DATA to the folder that contains corpora/wordnet, or set `descriptions.wordnet` to {AUTO}."
        )
    copy = downloaded_copy(source)
    return Path(source) if copy is None else copy if _nouns(copy).is_file() else None


def downloaded_copy(source: str | Path) -> Path | None:
    """Return the folder of a source's downloaded copy, whether or not it exists; None if nothing is downloaded."""
    url = PRINCETON_URL if source == AUTO else str(source)
    return _folder_of(url) if is_web_url(url) else None


def installed_nouns(source: str | Path) -> Path | None:
    """Return the file of nouns, or NLTK's zip file, if it exists and is not a download."""
    try:
        path = find_wordnet(source)
    except ParleyError:
        return None
    return _nouns(path) if path and path != downloaded_copy(source) and _nouns(path).is_file() else None


def _nltk_copies() -> Iterator[Path]:
    """Yield the existing copies of NLTK's corpus, in the order in which NLTK searches."""
    named = [expand_home(folder) for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    prefix = Path(sys.prefix)
    shared = [prefix / "nltk_data", prefix / "share/nltk_data", prefix / "lib/nltk_data"]
    system = [Path(root) / "nltk_data" for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    for folder in [*named, Path.home() / "nltk_data", *shared, *system]:
        for name in ("wordnet", "wordnet.zip"):
            if (folder / "corpora" / name).exists():
                yield folder / "corpora" / name


def _nouns(path: Path) -> Path:
    return path if path.suffix == ".zip" else path / DATA


def _folder_of(url: str) -> Path:
    return Path(WORDNET_FOLDER, hashlib.sha256(url.encode()).hexdigest()[:12])


def _download(url: str, allow_private_hosts: bool) -> Path:
    """Download an archive, or wait for another process that does; return the folder of its two files of nouns."""
    folder = _folder_of(url)
    with exclusive_lock(folder / "archive"):
        if _problems(folder):
            _unpack(url, folder, allow_private_hosts)
    return folder


def _unpack(url: str, folder: Path, allow_private_hosts: bool) -> None:
    """Download an archive, and write its two files of nouns to a folder, `DATA` last."""
    packed, plain = folder / "archive", folder / "archive.tar"
    checksum = PRINCETON_CHECKSUM if url == PRINCETON_URL else None
    download([url], packed, checksum, most_bytes=_MOST_BYTES, allow_private_hosts=allow_private_hosts)
    try:
        is_compressed_tar = not kind_of(packed)
        if is_compressed_tar:
            decompress_tar(packed, plain)
        archive = open_archive(plain if is_compressed_tar else packed)
        sizes = {member.name: member.size for member in archive.members() if not member.problem}
        for wanted in (INDEX, DATA):
            names = [name for name, size in sizes.items() if Path(name).name == wanted and size <= _MOST_BYTES]
            if len(names) != 1:
                raise ParleyError(f"{url} contains {len(names)} files {wanted}; give an archive of WordNet 3.0.")
            with written_aside(folder / wanted) as aside:
                aside.write_bytes(archive.read(names[0]))
    except DAMAGED as error:
        raise ParleyError(f"{url} gave no zip or tar ({error}); check the address.") from error
    finally:
        packed.unlink(missing_ok=True)
        plain.unlink(missing_ok=True)


def _problems(path: Path) -> list[str]:
    try:
        start = _read(path, DATA, _HEADER_BYTES)
        _read(path, INDEX, 1)
    except (*DAMAGED, KeyError):
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
