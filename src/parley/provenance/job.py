"""Write the record of a job: its files, params and code, and the machine, packages and commit that it used."""

import os
import platform
import re
import resource
import shutil
import subprocess  # nosec B404
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from parley import __version__
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import COMMIT, FileRecord, Record, Records, write_record
from parley.runtime.code_digest import SOURCES, Sources, stage_digest

DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Module → name of its distribution, for modules whose distribution has a different name."""
MODULES = (
    *("certifi", "h5py", "imagehash", "jinja2", "jsonschema", "matplotlib", "numpy", "pandas", "PIL", "psutil"),
    *("pyarrow", "pycurl", "rich", "yaml", "safetensors", "scipy", "sklearn", "snakemake", "torch", "torchvision"),
    *("requests", "tqdm", "urllib3"),
)
"""Names of the modules of Parley's dependencies."""
Roles = Mapping[str, Sequence[str]]
"""Paths of a rule's inputs or outputs, by the name of the input or output in the rule."""
CODE = ("Snakefile", "src", "workflow", "envs")
"""Files and folders of the repository that contain code."""
TIMEOUT_S = 10
_STARTED = time.monotonic()


class TrackedConfig(dict[str, Any]):
    """A config that records which of its sections are read."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def read_sections(self) -> dict[str, Any]:
        """Return the sections of the config that were read."""
        return {key: self[key] for key in sorted(self.read)}


def record_job(
    rule: str,
    wildcards: Mapping[str, str],
    inputs: Roles,
    outputs: Roles,
    params: Mapping[str, Any],
    config: Mapping[str, Any],
    threads: int,
    script: str | Path,
) -> Path:
    """Write the record of a job that has just succeeded, and return the record's path.

    Parameters
    ----------
    rule, wildcards, inputs, outputs, threads
        Values that Snakemake passes to the job's script.
    params
        All params of the job. ``code`` is the digest of the job's code; if it is missing, the digest is computed.
    config
        Sections of the config that the script read in addition to its params.
    script
        Path of the job's script.
    """
    used = usage()
    ended = datetime.now(UTC)
    values = dict(params)
    return write_record(
        Record(
            rule=rule,
            wildcards=dict(wildcards),
            started=(ended - timedelta(seconds=used["wall_s"])).isoformat(timespec="milliseconds"),
            ended=ended.isoformat(timespec="milliseconds"),
            inputs=tuple(_files(inputs, Hashes(Records()))),
            # Earlier records of these paths are ignored, because the job has just written new outputs.
            outputs=tuple(_files(outputs, Hashes(None))),
            # The params of `fetch_images`, unlike those of other rules, do not include `code`.
            code=values.pop("code", None) or stage_digest(script, Sources(SOURCES)),
            params=values,
            config=config,
            commit=os.environ.get(COMMIT, ""),
            packages=packages(),
            machine=machine(),
            device=device(),
            usage=used,
            threads=threads,
            parley=__version__,
        )
    )


def _files(roles: Roles, hashes: Hashes) -> Iterator[FileRecord]:
    for role, paths in roles.items():
        for path in paths:
            yield from (hashes.of(each, role) for each in files_of(path))


def commit_of(folder: str | Path) -> str:
    """Return the git commit of a repository, with `+dirty` if the code has uncommitted edits; empty if unknown."""
    commit, changed = git_state(folder, CODE)
    return "" if changed is None else commit + ("+dirty" if changed else "")


def git_state(folder: str | Path, paths: Sequence[str], tracked_only: str = "") -> tuple[str, list[str] | None]:
    """Return the commit of a repository, and the files in some of its paths that differ from the commit.

    The commit is empty if git fails, or if `folder` is not the root of a repository: an installed copy of Parley may
    lie inside the repository of another project. The files are None if git cannot tell which they are. New files in
    the path `tracked_only` are not listed.
    """
    git = ["git", "-C", str(folder)]
    top = output_of([*git, "rev-parse", "--show-toplevel"])
    if top is None or Path(top.strip()).resolve() != Path(folder).resolve():
        return "", None
    commit = output_of([*git, "rev-parse", "HEAD"])
    if commit is None:
        return "", None
    status = output_of([*git, "-c", "core.quotePath=false", "status", "--porcelain", "-z", "--", *paths])
    if status is None:
        return commit.strip(), None
    # With -z, the old name of a renamed file is a separate entry, without status letters and a space.
    entries = [entry for entry in status.split("\0") if entry[2:3] == " "]
    return commit.strip(), [one[3:] for one in entries if not (tracked_only and one.startswith(f"?? {tracked_only}"))]


def output_of(command: Sequence[str]) -> str | None:
    """Run a command and return its standard output; None if the program is missing, fails or exceeds `TIMEOUT_S`."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed command and our own folder  # nosec B603
            [program, *command[1:]], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def packages() -> dict[str, str]:
    """Return the versions of Parley's dependencies that this process has imported, by distribution."""
    from importlib import metadata

    found = {"python": platform.python_version()}
    for name in (DISTRIBUTIONS.get(module, module) for module in MODULES if module in sys.modules):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # A job's environment may provide Snakemake without its package metadata.
            continue
    return found


def machine() -> dict[str, Any]:
    """Return a description of the machine, without its host name: `cpu`, `cores`, `memory_gib`, `system`."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _found_in("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def device() -> str:
    """Return the device on which this process computed: the name of the GPU, or `cpu`."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return "cpu"


def usage() -> dict[str, float]:
    """Return `wall_s` since this process started, `cpu_s` including child processes, and peak `memory_mib`."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    # On Linux, ru_maxrss includes the memory of the parent process at the time of the fork, but VmHWM does not.
    peak_kib = float(
        _found_in("/proc/self/status", r"^VmHWM:\s*(\d+) kB")
        or own.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    )
    return {
        "wall_s": round(_age_s(), 2),
        "cpu_s": round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 2),
        "memory_mib": round(peak_kib / 1024, 1),
    }


def _found_in(path: str, pattern: str) -> str:
    """Return group 1 of the first match of a pattern in a file of /proc; empty without a match or without the file."""
    found = re.search(pattern, Path(path).read_text(), re.MULTILINE) if Path(path).exists() else None
    return found[1].strip() if found else ""


def _age_s() -> float:
    """Return the seconds since this process started or, on systems without /proc, since this module was imported."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rsplit(") ", 1)[1].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _STARTED
