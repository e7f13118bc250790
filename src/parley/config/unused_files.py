"""Find the files in resources/ that no experiment uses, and remove them."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.config.paths import CACHE_FOLDER
from parley.config.used_files import KINDS, RESPONSES, UsedFiles, responses_of
from parley.core.files import ASIDE_NAME, digest_of
from parley.core.formats import file_size
from parley.core.progress import Progress
from parley.dataset.archives import TAR, ZIP
from parley.dataset.fetch.cache import LEFT_BEHIND_S
from parley.dataset.partial_downloads import PARTIAL_NAME, is_being_written
from parley.dataset.sources.archive import DOWNLOADED
from parley.dataset.sources.base import TORCHVISION_FOLDER
from parley.dataset.sources.base import UNFINISHED as UNFINISHED_FOLDER
from parley.provenance.records import FOLDER as RECORDS

ROOT = "resources"
LEFTOVERS, UNFINISHED = "leftovers", "unfinished downloads"
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()} | {
    UNFINISHED: re.compile(
        f"(.+)/{PARTIAL_NAME.pattern}|{TORCHVISION_FOLDER}/{re.escape(UNFINISHED_FOLDER)}"
        f"|{KINDS['archives']}/[^/]+{re.escape(DOWNLOADED)}"
    ),
}
_FOLDERS = {"/".join(pattern.split("/")[:2]) for pattern in KINDS.values()} | {TORCHVISION_FOLDER}


class Entry(NamedTuple):
    """Files in resources/ that are used and removed together.

    Attributes
    ----------
    kind
        Key of `KINDS`, `LEFTOVERS` or `UNFINISHED`.
    path
        Path of the file or folder; for cached responses, the cache.
    bytes, files
        Size and number of the files. Links are not counted.
    experiments
        The experiments for which it is kept; empty if it may be removed.
    """

    kind: str
    path: str
    bytes: int
    files: int
    experiments: tuple[str, ...]


class ResourceFiles:
    """The files in resources/, by use.

    Parameters
    ----------
    uses
        What the experiments use.
    unknown
        Experiments that may use any file, with the reason.
    """

    def __init__(self, uses: Sequence[UsedFiles], unknown: dict[str, str]) -> None:
        self._uses, self._unknown = {one: one.paths | one.recorded for one in uses}, tuple(unknown)
        self.notes = [
            f"All files are kept, because it is unknown what {name} uses: {why} Correct this, pass its config "
            "with --configfile, or move or remove the folder."
            for name, why in unknown.items()
        ]
        for one in uses:
            if earlier := sorted(path for path in one.recorded if os.path.lexists(path)):
                self.notes.append(
                    f"Jobs of {one.name} used {', '.join(earlier)}, which its config does not use now; they are kept."
                )
        self._responses: set[bytes] = set()
        self._kept_responses = self._experiments_with_responses()
        if Path(ROOT).is_symlink():
            self._note_link(ROOT)
        self.entries = list(self._below(ROOT))
        raw, _ = _measured(one for one in _scanned(TORCHVISION_FOLDER) if one.name != UNFINISHED_FOLDER)
        if raw and not self._users_of("", TORCHVISION_FOLDER):
            self.notes.append(
                f"{TORCHVISION_FOLDER} has {file_size(raw)} of files of torchvision that no experiment uses; remove "
                "those that you can get again by hand."
            )

    def remove(self, entry: Entry, progress: Progress) -> None:
        """Remove the files of an entry, the records of the jobs that made them, and folders that are empty then."""
        path, folders = Path(entry.path), {Path(entry.path).parent}
        if entry.kind == RESPONSES:
            for response, is_kept in self._stored_responses():
                if not is_kept:
                    Path(response.path).unlink(missing_ok=True)
                    folders.add(Path(response.path).parent)
                    progress.advance()
        elif path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            # Renamed first, because Snakemake would take a folder with some of its files for a complete one.
            with contextlib.suppress(FileNotFoundError):  # Somebody else has removed it.
                shutil.rmtree(path.rename(path.with_name(f".removed.{secrets.token_hex(6)}.part")))
        if entry.kind != RESPONSES:
            progress.advance(entry.files)
        for record in (path.parent / RECORDS).glob(f"*-{digest_of([entry.path], 8)}.json"):
            record.unlink(missing_ok=True)
        above = {one for folder in folders for one in (folder, *folder.parents) if Path(ROOT) in one.parents}
        for folder in sorted(above, reverse=True):
            with contextlib.suppress(OSError):  # It is not empty.
                folder.rmdir()

    def _below(self, folder: str) -> Iterator[Entry]:
        """Yield the entries below a folder. Links are not followed."""
        for one in _scanned(folder):
            is_folder = one.is_dir(follow_symlinks=False)
            if folder == ROOT and (one.path not in _FOLDERS or one.is_symlink()):
                if one.path in _FOLDERS:
                    self._note_link(one.path)
                continue
            if one.path == CACHE_FOLDER:
                yield from self._cached()
            kind = _kind_of(one)
            if kind == RESPONSES:  # They are counted together.
                continue
            experiments = self._users_of(kind, one.path) if kind else ()
            if kind and _status(one) and not (kind == UNFINISHED and is_being_written(Path(one.path))):
                yield Entry(kind, one.path, *_measured([one]), experiments)
            if is_folder and (not kind or experiments) and folder != TORCHVISION_FOLDER:
                yield from self._below(one.path)

    def _users_of(self, kind: str, path: str) -> tuple[str, ...]:
        if kind == LEFTOVERS:
            return ()
        uses = list(self._uses)
        if kind == UNFINISHED and (parts := _PATTERNS[kind].fullmatch(path)):
            if parts[2]:
                path = f"{parts[1]}/{parts[2]}"
            elif path.endswith(DOWNLOADED):  # Once the archive has been stored, nobody needs it.
                uses = [] if any(Path(path).with_suffix(suffix).exists() for suffix in (TAR, ZIP)) else uses
            else:  # An experiment whose images have been packed needs it no longer.
                uses = [one for one in uses if not all(Path(_).exists() for _ in one.paths if "/datasets/" in _)]
        found = [one.name for one in uses if any(overlap(path, used) for used in self._uses[one])]
        return tuple(dict.fromkeys([*found, *self._unknown]))

    def _experiments_with_responses(self) -> tuple[str, ...]:
        """Read the keys of the responses that experiments use; return the experiments that may use any response."""
        if not Path(CACHE_FOLDER).is_dir():
            return ()
        unplanned = {one.name: one.plan for one in self._uses if one.plan and not Path(one.plan).is_file()}
        self.notes += [f"All cached responses are kept for {name}, which has no plan yet." for name in unplanned]
        pools = {f"{path}/plan.tsv" for paths in self._uses.values() for path in paths if "/plans/" in path}
        self._responses = responses_of(sorted(plan for plan in pools if Path(plan).is_file()))
        return (*unplanned, *self._unknown)

    def _stored_responses(self) -> Iterator[tuple[os.DirEntry[str], bool]]:
        """Yield the cached responses, and whether each is kept."""
        for folder in _scanned(CACHE_FOLDER):
            for one in _scanned(folder.path) if folder.is_dir(follow_symlinks=False) else ():
                if _PATTERNS[RESPONSES].fullmatch(one.path):
                    yield one, bool(self._kept_responses) or bytes.fromhex(one.name) in self._responses

    def _cached(self) -> Iterator[Entry]:
        kept, rest = Counter[str](), Counter[str]()
        for one, is_kept in self._stored_responses():
            if status := _status(one):
                counts = kept if is_kept else rest
                counts["bytes"] += status.st_size
                counts["files"] += 1
        users = self._kept_responses or tuple(one.name for one in self._uses if one.plan)
        for counts, experiments in ((kept, users), (rest, ())):
            if counts:
                yield Entry(RESPONSES, CACHE_FOLDER, counts["bytes"], counts["files"], experiments)

    def _note_link(self, path: str) -> None:
        self.notes.append(
            f"{path} is a link to {os.path.realpath(path)}, whose files experiments of other folders may use; they are "
            "kept."
        )


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is a folder's or below it."""
    return path == folder or path.startswith(f"{folder}/")


def overlap(path: str, other: str) -> bool:
    """Return whether one of two paths is the other or below it."""
    return is_below(path, other) or is_below(other, path)


def _kind_of(one: os.DirEntry[str]) -> str:
    """Return the kind of a file or folder; an empty string if it has none."""
    if ASIDE_NAME.fullmatch(one.name):
        is_in_cache = one.path.startswith(f"{CACHE_FOLDER}/")  # Runs in other folders may use it through a link.
        is_new = is_in_cache and (status := _status(one)) and time.time() - status.st_mtime < LEFT_BEHIND_S
        return "" if is_new else LEFTOVERS
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(one.path)), "")


def _scanned(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda one: one.name)
    except (FileNotFoundError, NotADirectoryError):  # A run may be removing it.
        return []
    except OSError as error:
        if error.errno != errno.ELOOP:  # A link to itself leads nowhere.
            raise
        return []


def _status(one: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of a file or folder, without following links; None if a run has just removed it."""
    try:
        return one.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _measured(entries: Iterable[os.DirEntry[str]]) -> tuple[int, int]:
    """Return the size and number of files, also of those in folders. Links are not counted."""
    size = files = 0
    for one in entries:
        if one.is_dir(follow_symlinks=False):
            below = _measured(_scanned(one.path))
            size, files = size + below[0], files + below[1]
        elif not one.is_symlink() and (status := _status(one)):
            size, files = size + status.st_size, files + 1
    return size, files
