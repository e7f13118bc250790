"""Reuse the files of a class, such as its tar of images, that were made for another image set with the same class.

Files of one kind are in a folder per image set, ``resources/images/<pool>`` for example. A hidden folder in it has a
record for each class: digests of what its files were made from, and whether they were copied from another image set.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import copy_file, files_for, read_json, sha256_of, write_json
from parley.core.formats import REUSED
from parley.provenance.hashing import check_undamaged

logger = logging.getLogger(__name__)
CLASS_SUFFIXES = {"tar": (".tar", ".tsv"), "hash": (".tsv",), "hdf5": (".hdf5",)}
"""Suffixes of a class's files, by kind of file: images with their manifest, perceptual hashes, features."""


@dataclass(frozen=True)
class ClassStore:
    """The files of one kind, for each class of an image set.

    Attributes
    ----------
    folder
        Folder of the files; its siblings are those of other image sets.
    suffixes
        Suffixes of a class's files.
    code
        Digest of the code that makes the files; empty if an edit does not make them again.
    """

    folder: Path
    suffixes: Sequence[str]
    code: str = ""

    def reused(self, names: Iterable[str], digest_of_class: Callable[[str], str]) -> list[str]:
        """Return the classes whose files are, or can be, copied from another image set.

        The result stays the same while the files are made, and afterwards, so that jobs consist of the same classes.

        Parameters
        ----------
        names
            Names of the classes.
        digest_of_class
            Function that returns a digest of everything in the config that determines a class's images.
        """
        return [name for name in names if self._is_reused(name, digest_of_class)]

    def copy(self, digests: Mapping[str, str], inputs: Mapping[str, str]) -> list[str]:
        """Copy files of classes from other image sets; return the classes for which there are none.

        Parameters
        ----------
        digests
            Results of `digest_of_class`, by class; if one is missing, it is that of the record.
        inputs
            Digest of the file from which the class's files are made, by class. Files made from another are not copied.
        """
        return [name for name in inputs if not self._copy(name, self._facts(name, digests), inputs[name])]

    def record(self, digests: Mapping[str, str], inputs: Mapping[str, str], reused: bool) -> None:
        """Record from what the files of classes were made, so that other image sets can copy them.

        Parameters
        ----------
        digests, inputs
            As in `copy`. If a class's input is empty, its files are never copied.
        reused
            Whether the job was that of the classes that `reused` returned.
        """
        for name, made_from in inputs.items():
            facts = {**self._facts(name, digests), "input": made_from, REUSED: reused}
            write_json(_record_path(self.folder, name), facts)

    @contextmanager
    def making(self, digests: Mapping[str, str], inputs: Mapping[str, str], rule: str) -> Iterator[Collection[str]]:
        """Copy files of classes if that is the rule's work, and yield the other classes; record all of them at the end.

        Parameters
        ----------
        digests, inputs
            As in `copy` and `record`. The inputs are read again at the end.
        rule
            Name of the rule of the job.
        """
        reuses = rule.endswith(REUSED)
        self.record(digests, dict.fromkeys(inputs, ""), reuses)  # Until the files are made.
        yield self.copy(digests, inputs) if reuses else inputs.keys()
        self.record(digests, inputs, reuses)

    def _is_reused(self, name: str, digest_of_class: Callable[[str], str]) -> bool:
        record = _record_of(self.folder, name)
        # A class stays with the group job that made it or is making it.
        if self._has(self.folder, name) or (record and not record[REUSED]):
            return bool(record.get(REUSED))
        return bool(self._others(name, self._facts(name, {name: digest_of_class(name)})))

    def _copy(self, name: str, facts: Mapping[str, str], made_from: str) -> bool:
        for other in self._others(name, {**facts, "input": made_from}):
            sources = self._files(other, name)
            try:
                check_undamaged(sources)
            except ParleyError as error:
                logger.warning("%s", error)
                continue
            try:
                for source, copy in zip(sources, self._files(self.folder, name), strict=True):
                    copy_file(source, copy)
            except FileNotFoundError:  # Removed by the user in the meantime.
                continue
            return True
        return False

    def _others(self, name: str, facts: Mapping[str, str]) -> list[Path]:
        """Return the folders of other image sets with files of a class whose record has the given facts."""
        found = []
        for other in self._siblings if facts["class"] else ():
            record = _record_of(other, name)
            if record.get("input") and facts.items() <= record.items() and self._has(other, name):
                found.append(other)
        return found

    @cached_property
    def _siblings(self) -> list[Path]:
        return [other for other in sorted(self.folder.parent.glob("[!.]*")) if other.name != self.folder.name]

    def _has(self, folder: Path, name: str) -> bool:
        return all(path.is_file() for path in self._files(folder, name))

    def _facts(self, name: str, digests: Mapping[str, str]) -> dict[str, str]:
        return {"class": digests.get(name) or _record_of(self.folder, name).get("class", ""), "code": self.code}

    def _files(self, folder: Path, name: str) -> list[Path]:
        return [folder / f"{name}{suffix}" for suffix in self.suffixes]


@contextmanager
def reusing(
    kind: str, tars: Sequence[str], outputs: Sequence[str], code: str, rule: str, digests: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Copy files made from tars from other image sets, yield those that are missing, and record all at the end.

    Parameters
    ----------
    kind
        Kind of file: a key of `CLASS_SUFFIXES`.
    tars
        Tar of images of each class.
    outputs
        The job's outputs: a file for each tar, or one folder (a shard), for which nothing is copied.
    code
        As in `ClassStore`.
    rule
        Name of the job's rule.
    digests
        As in `ClassStore.copy`.

    Yields
    ------
    dict
        The path of the file to make, by tar.
    """
    (suffix,) = CLASS_SUFFIXES[kind]
    paths = dict(zip(tars, files_for(tars, outputs, suffix), strict=True))
    if not outputs[0].endswith(suffix):
        yield paths
        return
    inputs = {Path(tar).stem: sha256_of(tar) for tar in tars}
    with ClassStore(Path(outputs[0]).parent, [suffix], code).making(digests, inputs, rule) as left:
        yield {tar: path for tar, path in paths.items() if Path(tar).stem in left}


def _record_of(folder: Path, name: str) -> dict[str, Any]:
    """Return the record of a class's files; an empty one if there is none, or if it is damaged."""
    path = _record_path(folder, name)
    with suppress(ParleyError):
        record = read_json(path) if path.is_file() else {}
        if isinstance(record, dict) and REUSED in record:
            return record
    return {}


def _record_path(folder: Path, name: str) -> Path:
    return folder / ".classes" / f"{name}.json"
