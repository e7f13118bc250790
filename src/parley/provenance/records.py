"""Write and read records of jobs: the outputs, inputs, code and params of each job, stored next to its outputs.

A record is a JSON file in the hidden folder `.records` of the folder that contains the job's outputs. Copies of the
folder therefore include the record, and experiments that share images share the records of these images. A record is
written when its job succeeds. If the job runs again and fails, the earlier record remains, but its outputs are gone.
The records in a copy of an experiment, ``results/<other name>``, are read as records of the copied files.
"""

import json
import os
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import digest_of, expand_home, read_json, write_text

COMMIT = "PARLEY_COMMIT"
"""Environment variable in which the Snakefile passes the git commit to its jobs, so that no job calls git."""
FOLDER = ".records"
PLUGINS = "plugins"
"""Role of plug-in files among the inputs of a job."""
FORMAT = 1


class FileRecord(NamedTuple):
    """A file that is an input or output of a job.

    `role` is the name of the input or output in the rule. `mtime_ns`, the modification time, and `inode` show whether
    the file was rewritten later; records contain them for outputs only.
    """

    path: str
    role: str
    bytes: int
    sha256: str
    mtime_ns: int = 0
    inode: int = 0


@dataclass(frozen=True)
class Record:
    """The record of a job.

    Attributes
    ----------
    rule, wildcards
        Name of the job's rule, and values of the rule's wildcards.
    started, ended
        Times at which the job started and ended, in UTC and ISO 8601 format.
    inputs, outputs
        Input and output files of the job. A folder is recorded as the files that it contains.
    params
        The rule's params by name, without the digest of the code.
    config
        Sections of the config that the script read in addition to its params.
    code
        Digest of the script and of the modules that it uses.
    commit
        Git commit of the code, with `+dirty` if the code had uncommitted edits; empty if unknown.
    packages, machine, device, usage
        Results of the functions of these names in `parley.provenance.job`.
    threads
        Number of threads that Snakemake assigned to the job.
    parley
        Version of Parley.
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
        """Name of the record: the rule and a digest of the output paths. It is the same each time the job runs."""
        return f"{self.rule}-{digest_of(sorted(one.path for one in self.outputs), 8)}"

    def output(self, path: str) -> FileRecord | None:
        """Return the job's output with the given path; None if the job has no such output."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> dict[str, FileRecord]:
        return {one.path: one for one in self.outputs}


def write_record(record: Record) -> Path:
    """Write a record to its `record_path`, and return this path."""
    path = record_path(record)
    values = {"format": FORMAT, **_shareable(asdict(record))}
    values["outputs"] = [dict(_shareable(one._asdict())) for one in record.outputs]
    values["inputs"] = [dict(_shareable(FileRecord(*one[:4])._asdict())) for one in record.inputs]
    write_text(path, json_by_line(values, ("inputs", "outputs")))
    return path


def record_path(record: Record) -> Path:
    """Return the path of a record: a file in `.records`, in the deepest folder that contains all outputs of the job."""
    return Path(os.path.commonpath([Path(one.path).parent for one in record.outputs]), FOLDER, f"{record.name}.json")


def json_by_line(values: Mapping[str, Any], long: Container[str]) -> str:
    """Return values as JSON with one line per key. The values of the keys in `long` have one line per entry."""
    lines = []
    for key, value in values.items():
        if key not in long:
            text = _json(value)
        elif isinstance(value, Mapping):
            text = "{\n" + ",\n".join(f"  {json.dumps(name)}: {_json(one)}" for name, one in value.items()) + "\n}"
        else:
            text = "[\n" + ",\n".join(f"  {_json(one)}" for one in value) + "\n]"
        lines.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def read_record(path: str | Path) -> Record:
    """Read a record from a file.

    Raises
    ------
    ParleyError
        If the file is not a record of this format.
    """
    values = read_json(path)
    try:
        if values.pop("format") != FORMAT:
            raise ParleyError(
                f"{path} is not a record of format {FORMAT}; remove it and the files that its job made, and run again."
            )
        for name in ("inputs", "outputs"):
            values[name] = tuple(FileRecord(**one) for one in values[name])
        record = Record(**values)
        texts = [record.rule, record.ended, *(one.path for one in (*record.inputs, *record.outputs))]
        if not record.outputs or not all(isinstance(text, str) for text in texts):
            raise TypeError
        return record
    except (AttributeError, KeyError, TypeError) as error:
        raise ParleyError(
            f"{path} is not the record of a job; remove it and the files that its job made, and run again."
        ) from error


class Records:
    """Job records, found by the files that the jobs made. Each folder of records is read only once.

    Parameters
    ----------
    root
        Working folder of the jobs. The paths in records are relative to it.
    """

    def __init__(self, root: str | Path = "") -> None:
        self._root = Path(root)
        self._folders: dict[str, dict[str, Record]] = {}
        self._makers: dict[str, Record | None] = {}
        self._files: dict[str, Path] = {}

    def maker_of(self, path: str) -> Record | None:
        """Return the record of the latest job that made the file with this path; None if no such job is recorded."""
        # Results are cached: large class sets have 100,000 files, each looked up for every job that read it.
        if path not in self._makers:
            found = (self._in(folder).get(path) for folder in _above(path))
            self._makers[path] = max((one for one in found if one), key=attrgetter("ended"), default=None)
        return self._makers[path]

    def maker_of_folder(self, path: str) -> Record | None:
        """Return the record of the latest job that made files in this folder; None if no such job is recorded."""
        of_folder = (self._in(folder).items() for folder in (path, *_above(path)))
        found = (record for files in of_folder for one, record in files if one.startswith(f"{path}/"))
        latest = max(found, key=attrgetter("ended"), default=None)
        if latest is None or not latest.wildcards:
            return latest
        # The job may have run again and left the folder empty, such as a training that failed at once.
        again = (self.maker_of(one.path) for one in latest.outputs)
        same = (one for one in again if one and (one.rule, one.wildcards) == (latest.rule, latest.wildcards))
        return max(latest, *same, key=attrgetter("ended"))

    def under(self, folder: str | Path) -> Iterator[Record]:
        """Yield the records below a folder, except records whose outputs were all made again by later jobs."""
        for hidden in sorted((self._root / folder).rglob(FOLDER)):
            beside = str(hidden.parent.relative_to(self._root))
            seen = {record.name: record for record in self._in(beside).values()}
            yield from seen.values()

    def file_of(self, record: Record) -> Path:
        """Return the path of the file that contains a record from this object."""
        return self._files[record.name]

    def _in(self, folder: str) -> dict[str, Record]:
        """Return the latest record for each output file, by path, from the records stored in a folder."""
        if folder not in self._folders:
            paths = sorted((self._root / folder / FOLDER).glob("[!.]*-*.json"))
            read = {path: _in_copy(read_record(path), folder) for path in paths}
            records = dict(sorted(read.items(), key=lambda item: item[1].ended))
            # In a copy, a job that ran before and after copying has two records of the same name.
            self._files |= {record.name: path for path, record in records.items()}
            self._folders[folder] = {one.path: record for record in records.values() for one in record.outputs}
        return self._folders[folder]


def experiment_of(path: str) -> str:
    """Return the folder ``results/<experiment>`` that contains a path; empty if the path is elsewhere."""
    match = re.match(r"results/[^/]+(?=/|$)", path)
    return match[0] if match else ""


def moved(path: str, old: str, new: str) -> str:
    """Return a path below the folder `new` if it is below the folder `old`, and otherwise the path itself."""
    return f"{new}{path.removeprefix(old)}" if path.startswith(f"{old}/") else path


def _in_copy(record: Record, folder: str) -> Record:
    """Return a record found in `folder`, with the paths of the copy if its experiment was copied or renamed."""
    old, new = experiment_of(str(record_path(record))), experiment_of(folder)
    if old == new or not (old and new):
        return record
    files: dict[str, Any] = {
        role: tuple(one._replace(path=moved(one.path, old, new)) for one in getattr(record, role))
        for role in ("inputs", "outputs")
    }
    return replace(record, **files)


def _above(path: str) -> Iterator[str]:
    """Yield the folders that contain a file, starting with the deepest folder, without the working folder."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path or "/"
        if not path:
            return


def _shareable(value: Any) -> Any:
    """Return a value with the home folder replaced by `~`, and with credentials removed from URLs."""
    if isinstance(value, Mapping):
        return {str(key): _shareable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shareable(each) for each in value]
    if isinstance(value, str | Path):
        text, home = str(value), str(Path.home())
        if home != os.sep and (text == home or text.startswith(f"{home}{os.sep}")):
            text = f"~{text.removeprefix(home)}"
        return re.sub(r"(\w+://)[^/@\s]+@", r"\1", text)
    return value


def existing_workflow_path(path: str | Path) -> tuple[Path, str]:
    """Return the result of `workflow_path` for a file that must exist.

    Raises
    ------
    ParleyError
        If the file does not exist or is not below a folder `results` or `resources`.
    """
    if not expand_home(path).exists():
        raise ParleyError(f"{path} does not exist; check the path.")
    root, name = workflow_path(path)
    if not name:
        raise ParleyError(f"{path} is in neither results/ nor resources/, where the workflow writes its files.")
    return root, name


def workflow_path(path: str | Path) -> tuple[Path, str]:
    """Split a path into the working folder of the workflow and the path that the workflow and its records use.

    The second path begins with ``results/`` or ``resources/``; it is empty if the file is not below either folder. The
    file need not exist.
    """
    # Symbolic links are not resolved, because a results folder may be a link to another disk.
    whole = Path(os.path.normpath(expand_home(path).absolute()))
    for above in whole.parents:
        if above.name in ("results", "resources"):
            return above.parent, str(whole.relative_to(above.parent))
    return whole.parent, ""
