"""`parley clean`: list the files in resources/ that no experiment uses, and remove them."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from parley.cli.shared import Subparsers
from parley.cli.status import require_workflow
from parley.config.unused_files import ROOT, Entry, ResourceFiles, is_below, overlap
from parley.config.used_files import UsedFiles, used_files_of
from parley.core.errors import Findings, ParleyError
from parley.core.files import expand_home
from parley.core.formats import counted, file_size, listed
from parley.core.installation import SCHEMA
from parley.core.progress import Progress
from parley.core.terminal import console, literal, plain_table
from parley.runtime.run_lock import acquire_all


def add(commands: Subparsers) -> None:
    """Add the argument parser of `parley clean`."""
    parser = commands.add_parser(
        "clean",
        help="list the images, features and downloads that no experiment uses, and remove them",
        description="List the images, features, cached responses, archives and other files in resources/ that no "
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
        help="configs of other experiments whose files to keep, one each; for one of another folder, its "
        "results/EXPERIMENT/config.yaml",
    )
    parser.add_argument(
        "--remove",
        nargs="*",
        metavar="PATH",
        help="remove unused files or, if paths are given, the unused files at or below them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Print the files that no experiment uses; with `--remove`, remove them while no run of the workflow can start."""
    require_workflow("uv run parley clean")
    removing, failed = chosen.remove is not None, Findings()
    with contextlib.closing(acquire_all("parley clean")) if removing else contextlib.nullcontext():
        notes, found = Findings(), ResourceFiles(*_experiments(chosen.configfile))
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


def _experiments(given: Sequence[Path]) -> tuple[list[UsedFiles], dict[str, str]]:
    """Return what each experiment uses; and the experiments for which this is unknown, with the reason."""
    schema = SCHEMA.resolve()
    uses, unknown = [], dict[str, str]()
    for path in given:
        try:
            uses.append(used_files_of(path, schema))
        except ParleyError as error:
            raise ParleyError(f"{path}: {sentence}" for sentence in error.findings) from error
    for folder in _results():
        config = folder / "config.yaml"
        try:
            uses.append(used_files_of(config, schema))
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
    paths, findings = [os.path.relpath(expand_home(path or ".")) for path in chosen], Findings()
    for path in paths:
        if any(is_below(entry.path, path) for entry in unused):
            continue
        users = sorted({one for entry in entries if overlap(entry.path, path) for one in entry.experiments})
        if not is_below(path, ROOT):
            findings.add(f"{path} is not in {ROOT}/; remove it by hand.")
        elif not os.path.lexists(path):
            findings.add(f"{path} does not exist; check the path.")
        elif users:
            findings.add(f"{path} is kept for {listed(users)}; see `uv run parley clean`.")
        else:
            findings.add(f"{path} is not a whole file or folder that Parley has made; remove it by hand.")
    findings.raise_if_any()
    return [entry for entry in unused if not paths or any(is_below(entry.path, path) for path in paths)]


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
