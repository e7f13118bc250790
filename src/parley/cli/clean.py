"""`parley clean`: list the files in resources/ that no experiment uses, and remove them."""

import argparse
import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.cli.shared import Subparsers, find_schema
from parley.cli.status import require_clone
from parley.config.paths import CACHE_FOLDER
from parley.config.used_files import ANSWERS, KINDS, Uses, answers_of, uses_of
from parley.core.errors import Findings, ParleyError
from parley.core.files import ASIDE_NAME, digest_of
from parley.core.formats import counted, file_size, listed
from parley.core.progress import Progress
from parley.core.terminal import console, literal, plain_table
from parley.dataset.archives import TAR, ZIP
from parley.dataset.fetch.cache import LEFT_BEHIND_S
from parley.provenance.records import FOLDER as RECORDS
from parley.runtime.run_lock import acquire_all

ROOT, TORCHVISION = "resources", "resources/torchvision"
LEFTOVERS, UNFINISHED = "leftovers", "unfinished downloads"
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()} | {
    UNFINISHED: re.compile(
        rf"(.+)/[.]([^/]+)[.]partial([.]json)?|{TORCHVISION}/[.]unfinished|{KINDS['archives']}/[^/]+[.]download"
    ),
}
_FOLDERS = {"/".join(pattern.split("/")[:2]) for pattern in KINDS.values()} | {TORCHVISION}


class Entry(NamedTuple):
    """Files in resources/ that are used and removed together.

    Attributes
    ----------
    kind
        Key of `KINDS`, `LEFTOVERS` or `UNFINISHED`.
    path
        Path of the file or folder; for cached answers, the cache.
    bytes, files
        Size and number of the files. A link counts as no file.
    experiments
        The experiments for which it is kept; empty if it may be removed.
    """

    kind: str
    path: str
    bytes: int
    files: int
    experiments: tuple[str, ...]


def add(commands: Subparsers) -> None:
    """Add the argument parser of `parley clean`."""
    parser = commands.add_parser(
        "clean",
        help="list the images, features and downloads that no experiment uses, and remove them",
        description="List the images, features, cached answers, archives and other files in resources/ that no "
        "experiment in results/ uses, with their sizes; with --remove, remove them. The workflow makes or downloads "
        "them again if it needs them, but cached images of servers that are gone are lost. Experiments of other "
        "folders that use these files count only if they are given with --configfile.",
    )
    parser.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        default=[],
        metavar="YAML",
        help="configs of further experiments whose files are kept, one each; for an experiment of another folder, its "
        "results/EXPERIMENT/config.yaml",
    )
    parser.add_argument(
        "--remove",
        nargs="*",
        metavar="PATH",
        help="remove what no experiment uses or, if paths are given, what of it is at or below these paths",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Print what no experiment uses; with `--remove`, remove it while no run of the workflow can start."""
    require_clone("uv run parley clean")
    removing, failed = chosen.remove is not None, Findings()
    with contextlib.closing(acquire_all("parley clean")) if removing else contextlib.nullcontext():
        notes, found = Findings(), _Survey(*_experiments(chosen.configfile))
        notes.extend(found.notes)
        unused = [entry for entry in found.entries if not entry.experiments]
        if removing:
            unused = _selected(chosen.remove, found.entries)
            with Progress("Removing", sum(entry.files for entry in unused), "file", brief=True) as progress:
                for entry in tuple(unused):
                    try:
                        found.remove(entry, progress)
                    except OSError as error:
                        unused.remove(entry)
                        failed.add(f"{error.filename} cannot be removed ({error.strerror}); fix its permissions.")
    used = [entry for entry in found.entries if entry.experiments]
    if chosen.json:
        values = {"removed": removing, "bytes": sum(entry.bytes for entry in unused), "notes": notes.sentences}
        values |= {name: [one._asdict() for one in some] for name, some in (("unused", unused), ("used", used))}
        sys.stdout.write(f"{json.dumps(values, indent=2, ensure_ascii=False)}\n")
    else:
        _show(unused, used, notes.sentences, removing)
    failed.raise_if_any()


def _experiments(given: Sequence[Path]) -> tuple[list[Uses], dict[str, str]]:
    """Return what each experiment uses; and the experiments of which this cannot be told, with the reason."""
    schema = find_schema().resolve()
    uses, unknown = [], dict[str, str]()
    for path in given:
        try:
            uses.append(uses_of(path, schema))
        except ParleyError as error:
            raise ParleyError(f"{path}: {sentence}" for sentence in error.findings) from error
    for folder in _results():
        config = folder / "config.yaml"
        try:
            uses.append(uses_of(config, schema))
        except ParleyError as error:
            missing = "It has no config.yaml." if folder.exists() else "It is a link to a missing folder."
            unknown[str(folder)] = error.findings[0] if config.exists() else missing
    return uses, {folder: why for folder, why in unknown.items() if folder not in {one.results for one in uses}}


def _results() -> list[Path]:
    """Return the folders of the experiments, also links to missing ones; `results` itself if it is such a link."""
    results = Path("results")
    if results.is_symlink() and not results.exists():
        return [results]
    found = sorted(results.iterdir()) if results.is_dir() else []
    return [
        path
        for path in found
        if not path.name.startswith(".") and (any(path.iterdir()) if path.is_dir() else path.is_symlink())
    ]


class _Survey:
    """The files in resources/, by use.

    Parameters
    ----------
    uses
        What the experiments use.
    unknown
        Experiments that may use any file, with the reason.
    """

    def __init__(self, uses: Sequence[Uses], unknown: dict[str, str]) -> None:
        self._uses, self._unknown = uses, tuple(unknown)
        self.notes = [
            f"Everything is kept for {name}, because what it uses is unknown: {why} Correct this, give its "
            "config with --configfile, or move the folder out of results/, or remove it."
            for name, why in unknown.items()
        ]
        for one in uses:
            if earlier := sorted(path for path in one.recorded if os.path.lexists(path)):
                self.notes.append(
                    f"Jobs of {one.name} used {', '.join(earlier)}, which its config would not use today; all is kept."
                )
        self._answers: set[bytes] = set()
        self._kept_answers = self._experiments_with_answers()
        if Path(ROOT).is_symlink():
            self._note_link(ROOT)
        self.entries = list(self._below(ROOT))
        raw = [one for one in _scanned(TORCHVISION) if one.name != ".unfinished"]
        if raw and not self._users_of("", TORCHVISION):
            self.notes.append(
                f"{TORCHVISION} has {file_size(_measured(raw)[0])} of files of torchvision that no experiment uses; "
                "remove those that you can get again by hand."
            )

    def remove(self, entry: Entry, progress: Progress) -> None:
        """Remove the files of an entry, the records of the jobs that made them, and folders that are empty then."""
        path, folders = Path(entry.path), {Path(entry.path).parent}
        if entry.kind == ANSWERS:
            for answer, is_kept in self._stored_answers():
                if not is_kept:
                    Path(answer.path).unlink()
                    folders.add(Path(answer.path).parent)
                    progress.advance()
        elif path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            # Renamed, because a folder of which only a part is left would be complete for Snakemake.
            shutil.rmtree(path.rename(path.with_name(f".removed.{secrets.token_hex(6)}.part")))
        if entry.kind != ANSWERS:
            progress.advance(entry.files)
        for record in (path.parent / RECORDS).glob(f"*-{digest_of([entry.path], 8)}.json"):
            record.unlink()
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
            experiments = self._users_of(kind, one.path) if kind else ()
            if kind and not (kind == ANSWERS or (kind == UNFINISHED and _is_locked(one.path))):
                yield Entry(kind, one.path, *_measured([one]), experiments)
            if is_folder and (not kind or experiments) and folder != TORCHVISION:
                yield from self._below(one.path)

    def _users_of(self, kind: str, path: str) -> tuple[str, ...]:
        if kind == LEFTOVERS:
            return ()
        uses = self._uses
        if kind == UNFINISHED and (parts := _PATTERNS[kind].fullmatch(path)):
            if parts[2]:
                path = f"{parts[1]}/{parts[2]}"
            elif path.endswith(".download"):  # Once the archive has been stored, nobody needs it.
                uses = [] if any(Path(path).with_suffix(suffix).exists() for suffix in (TAR, ZIP)) else uses
            else:  # An experiment whose images have been packed needs it no longer.
                uses = [one for one in uses if not all(Path(_).exists() for _ in one.paths if "/datasets/" in _)]
        found = [one.name for one in uses if any(_overlap(path, used) for used in one.paths | one.recorded)]
        return tuple(dict.fromkeys([*found, *self._unknown]))

    def _experiments_with_answers(self) -> tuple[str, ...]:
        """Read the keys of the answers that experiments use; return the experiments that may use any answer."""
        if not Path(CACHE_FOLDER).is_dir():
            return ()
        unplanned = {one.name: one.plan for one in self._uses if one.plan and not Path(one.plan).is_file()}
        self.notes += [f"All cached answers are kept for {name}, which has no plan yet." for name in unplanned]
        pools = {f"{path}/plan.tsv" for one in self._uses for path in one.paths | one.recorded if "/plans/" in path}
        self._answers = answers_of(sorted(plan for plan in pools if Path(plan).is_file()))
        return (*unplanned, *self._unknown)

    def _stored_answers(self) -> Iterator[tuple[os.DirEntry[str], bool]]:
        """Yield the cached answers, and whether each is kept."""
        for folder in _scanned(CACHE_FOLDER):
            for one in _scanned(folder.path) if folder.is_dir(follow_symlinks=False) else ():
                if _PATTERNS[ANSWERS].fullmatch(one.path):
                    yield one, bool(self._kept_answers) or bytes.fromhex(one.name) in self._answers

    def _cached(self) -> Iterator[Entry]:
        kept, rest = Counter[str](), Counter[str]()
        for one, is_kept in self._stored_answers():
            counts = kept if is_kept else rest
            counts["bytes"] += one.stat(follow_symlinks=False).st_size
            counts["files"] += 1
        users = self._kept_answers or tuple(one.name for one in self._uses if one.plan)
        for counts, experiments in ((kept, users), (rest, ())):
            if counts:
                yield Entry(ANSWERS, CACHE_FOLDER, counts["bytes"], counts["files"], experiments)

    def _note_link(self, path: str) -> None:
        self.notes.append(
            f"{path} is a link to {os.path.realpath(path)}, whose files experiments of other folders may use; they are "
            "kept."
        )


def _selected(chosen: Sequence[str], entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries to remove: all that no experiment uses or, if there are any, those at or below paths.

    Raises
    ------
    ParleyError
        If a path is not below resources/, or nothing there can be removed; or if there are no paths, and resources/ is
        a link.
    """
    unused = [entry for entry in entries if not entry.experiments]
    if not chosen and Path(ROOT).is_symlink():
        raise ParleyError(
            f"{ROOT} is a link to {os.path.realpath(ROOT)}, whose files experiments of other folders may use. Nothing "
            "has been removed. Give these experiments with --configfile FOLDER/results/*/config.yaml, and what to "
            "remove with --remove PATH."
        )
    paths, findings = [os.path.relpath(path or ".") for path in chosen], Findings()
    for path in paths:
        if any(_is_below(entry.path, path) for entry in unused):
            continue
        users = sorted({one for entry in entries if _overlap(entry.path, path) for one in entry.experiments})
        if not _is_below(path, ROOT):
            findings.add(f"{path} is not in {ROOT}/; remove it by hand.")
        elif not os.path.lexists(path):
            findings.add(f"{path} does not exist; check the path.")
        elif users:
            findings.add(f"{path} is kept for {listed(users)}; see `uv run parley clean`.")
        else:
            findings.add(f"{path} is not a whole file or folder that Parley has made; remove it by hand.")
    findings.raise_if_any()
    return [entry for entry in unused if not paths or any(_is_below(entry.path, path) for path in paths)]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _overlap(path: str, other: str) -> bool:
    return _is_below(path, other) or _is_below(other, path)


def _kind_of(one: os.DirEntry[str]) -> str:
    """Return the kind of a file or folder; an empty string if it has none."""
    if ASIDE_NAME.fullmatch(one.name):
        is_in_cache = one.path.startswith(f"{CACHE_FOLDER}/")  # Runs in other folders may use it through a link.
        is_new = is_in_cache and time.time() - one.stat(follow_symlinks=False).st_mtime < LEFT_BEHIND_S
        return "" if is_new else LEFTOVERS
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(one.path)), "")


def _scanned(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda one: one.name)
    except (FileNotFoundError, NotADirectoryError):  # A run may be removing it.
        return []


def _measured(entries: Iterable[os.DirEntry[str]]) -> tuple[int, int]:
    """Return the size and number of files, also of those in folders. A link counts as no file."""
    size = files = 0
    for one in entries:
        if one.is_dir(follow_symlinks=False):
            below = _measured(_scanned(one.path))
            size, files = size + below[0], files + below[1]
        elif not one.is_symlink():
            size, files = size + one.stat(follow_symlinks=False).st_size, files + 1
    return size, files


def _is_locked(path: str) -> bool:
    """Return whether a process is downloading to a file."""
    partial = Path(path.removesuffix(".json"))
    if not partial.is_file():  # It is a folder, or a killed process has left only the record.
        return False
    with partial.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _show(unused: Sequence[Entry], used: Sequence[Entry], notes: Sequence[str], removed: bool) -> None:
    on = console(sys.stdout)
    if unused:
        on.print(literal(f"{'Removed' if removed else 'Used by no experiment'}", "bold"))
        table = plain_table(on)
        table.add_column("kind", no_wrap=True)
        table.add_column("size", no_wrap=True, justify="right")
        table.add_column("files", no_wrap=True, justify="right")
        table.add_column("path", overflow="fold")
        for entry in unused:
            table.add_row(entry.kind, file_size(entry.bytes), f"{entry.files:,}", literal(entry.path))
        on.print(table)
        on.print()
    total = file_size(sum(entry.bytes for entry in unused))
    kept = file_size(sum(entry.bytes for entry in used))
    experiments = sorted({name for entry in used for name in entry.experiments})
    if removed:
        total = f"{total} removed." if unused else "Nothing was removed."
    else:
        total = f"{total} to remove: uv run parley clean --remove" if unused else "There is nothing to remove."
    on.print(literal(total), soft_wrap=True)
    if used:
        on.print(
            literal(f"{kept} kept for {counted(len(experiments), 'experiment')}: {', '.join(experiments)}"),
            soft_wrap=True,
        )
    for note in notes:
        on.print(literal(note), soft_wrap=True)
