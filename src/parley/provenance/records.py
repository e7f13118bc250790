"""What a job leaves on record beside its outputs: what it made, of what, with which code and values.

A record lies in the hidden folder `.records` of the folder that holds the job's outputs. So it goes where they go:
with a set of images that experiments share, or with a results folder that is copied. It is written when the job is
done; that of a job that fails or is killed stays what it was, and no longer fits its outputs, which are gone.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import digest_of, read_json, write_text

COMMIT = "PARLEY_COMMIT"
"""Environment variable by which the Snakefile tells its jobs the commit, so that they need not all ask git."""
FOLDER = ".records"
FORMAT = 1


class FileRecord(NamedTuple):
    """A file as a job found or left it."""

    path: str
    role: str
    """Its name among the rule's inputs or outputs."""
    bytes: int
    sha256: str
    mtime_ns: int = 0
    inode: int = 0
    """With the date, by which it is known again; 0 of inputs on record."""


@dataclass(frozen=True)
class Record:
    """What a job did.

    Attributes
    ----------
    rule, wildcards
        Which job.
    started, ended
        Times in UTC, ISO 8601.
    inputs, outputs
        Files; those of a folder each for itself.
    params
        The rule's params by name, without the digest of the code.
    config
        Sections of the config that the script read besides.
    code
        Digest of the script and of the modules that it uses.
    commit
        With `+dirty` where the code was edited; empty where none is known.
    packages, machine
        From `parley.provenance.job`.
    device
        What was computed on.
    usage
        `wall_s`, `cpu_s`, `memory_mib`.
    threads
        That it was given.
    parley
        Version of this package.
    """

    rule: str
    wildcards: Mapping[str, str]
    started: str
    ended: str
    inputs: tuple[FileRecord, ...]
    outputs: tuple[FileRecord, ...]
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    code: str
    commit: str
    packages: Mapping[str, str]
    machine: Mapping[str, Any]
    device: str
    usage: Mapping[str, float]
    threads: int
    parley: str

    @cached_property
    def name(self) -> str:
        """Rule and a digest of what it made: one job's, whenever it runs."""
        return f"{self.rule}-{digest_of(sorted(one.path for one in self.outputs), 8)}"

    def output(self, path: str) -> FileRecord | None:
        """Return one of its outputs; None where it made no such file."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> dict[str, FileRecord]:
        return {one.path: one for one in self.outputs}


def write_record(record: Record) -> Path:
    """Write a record to where `Records` finds it, and return its path."""
    path = record_path(record)
    values = {"format": FORMAT, **_shareable(asdict(record))}
    values["outputs"] = [dict(_shareable(one._asdict())) for one in record.outputs]
    # Of an input it is its own maker who knows which file it is.
    values["inputs"] = [dict(_shareable(FileRecord(*one[:4])._asdict())) for one in record.inputs]
    write_text(path, _a_line_each(values))
    return path


def record_path(record: Record) -> Path:
    """Return where a record lies: in the folder that all its outputs share."""
    return Path(os.path.commonpath([Path(one.path).parent for one in record.outputs]), FOLDER, f"{record.name}.json")


def _a_line_each(values: Mapping[str, Any]) -> str:
    """Return values as JSON, a line each, and of inputs and outputs a line a file."""
    lines = []
    for key, value in values.items():
        if key in ("inputs", "outputs"):
            files = ",\n".join(f"  {json.dumps(one, ensure_ascii=False)}" for one in value)
            lines.append(f'"{key}": [\n{files}\n]')
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, default=str)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_record(path: str | Path) -> Record:
    """Read a record.

    Raises
    ------
    ParleyError
        When the file is no record of this kind.
    """
    values = read_json(path)
    try:
        if values.pop("format") != FORMAT:
            raise ParleyError(f"{path} is no record of format {FORMAT}; remove it, and make what lies beside it again.")
        for name in ("inputs", "outputs"):
            values[name] = tuple(FileRecord(**one) for one in values[name])
        return Record(**values)
    except (AttributeError, KeyError, TypeError) as error:
        raise ParleyError(
            f"{path} is no record of a job ({error}); remove it, and make what lies beside it again."
        ) from error


class Records:
    """The records that lie beside files, each folder's read once.

    Parameters
    ----------
    root
        The working folder of the jobs, from which their paths go.
    """

    def __init__(self, root: str | Path = "") -> None:
        self._root = Path(root)
        self._folders: dict[str, dict[str, Record]] = {}
        self._makers: dict[str, Record | None] = {}

    def maker_of(self, path: str) -> Record | None:
        """Return the record of the job that last made a file of this name; None where none tells."""
        # Of large class sets there are some 100,000 files, each asked for by every job that read it.
        if path not in self._makers:
            found = (self._in(folder).get(path) for folder in _above(path))
            self._makers[path] = max((one for one in found if one), key=_ended, default=None)
        return self._makers[path]

    def maker_of_folder(self, path: str) -> Record | None:
        """Return the record of the job that last made a folder of this name; None where none tells."""
        of_folder = (self._in(folder).items() for folder in (path, *_above(path)))
        found = (record for files in of_folder for one, record in files if one.startswith(f"{path}/"))
        return max(found, key=_ended, default=None)

    def under(self, folder: str | Path) -> Iterator[Record]:
        """Yield every record below a folder whose outputs are not all made by later jobs."""
        for hidden in sorted((self._root / folder).rglob(FOLDER)):
            beside = str(hidden.parent.relative_to(self._root))
            seen = {record.name: record for record in self._in(beside).values()}
            yield from seen.values()

    def _in(self, folder: str) -> dict[str, Record]:
        """Return the records in a folder by the files that they made, of each the latest."""
        if folder not in self._folders:
            records = sorted(map(read_record, _record_files(self._root / folder)), key=_ended)
            self._folders[folder] = {one.path: record for record in records for one in record.outputs}
        return self._folders[folder]


def _record_files(folder: Path) -> list[Path]:
    hidden = folder / FOLDER
    return sorted(hidden.glob("[!.]*-*.json")) if hidden.is_dir() else []


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a file is in, the nearest first, without the working folder."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path or "/"
        if not path:
            return


def _ended(record: Record) -> str:
    return record.ended


def _shareable(value: Any) -> Any:
    """Return a value without the name of the person's home folder, and without passwords in addresses."""
    if isinstance(value, Mapping):
        return {str(key): _shareable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shareable(each) for each in value]
    if isinstance(value, str | Path):
        return re.sub(r"(\w+://)[^/@\s]+@", r"\1", _without_home(str(value)))
    return value


def _without_home(text: str) -> str:
    home = str(Path.home())
    inside = text == home or text.startswith(f"{home}{os.sep}")
    return "~" + text.removeprefix(home) if inside and home != os.sep else text


def existing_workflow_path(path: str | Path) -> tuple[Path, str]:
    """Return the same as `workflow_path`, for a file that must exist.

    Raises
    ------
    ParleyError
        If the file does not exist or is not below a folder `results` or `resources`.
    """
    if not Path(path).expanduser().exists():
        raise ParleyError(f"{path} does not exist; check the path.")
    root, name = workflow_path(path)
    if not name:
        raise ParleyError(f"{path} is in neither results/ nor resources/, where the workflow writes its files.")
    return root, name


def workflow_path(path: str | Path) -> tuple[Path, str]:
    """Split a path into the working folder of the workflow and the path that the workflow and its records use.

    The second begins with ``results/`` or ``resources/``; it is empty if the file is below neither. The file need
    not exist.
    """
    # Not resolved: a results folder may be a link to a bigger disk.
    whole = Path(os.path.normpath(Path(path).expanduser().absolute()))
    for above in whole.parents:
        if above.name in ("results", "resources"):
            return above.parent, str(whole.relative_to(above.parent))
    return whole.parent, ""
