"""Record what a job did: its files, params and code, and the machine, packages and commit that it ran with."""

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from parley import __version__
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import COMMIT, FileRecord, Record, Records, write_record

DIRTY = "+dirty"
_CODE = ("Snakefile", "src", "workflow", "envs")


def commit_of(folder: str | Path) -> str:
    """Return the commit of a folder's code, with `+dirty` if it has uncommitted edits; empty outside git."""
    git = shutil.which("git")
    if git is None:
        return ""
    answers = []
    for question in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", *_CODE]):
        asked = subprocess.run([git, "-C", str(folder), *question], capture_output=True, text=True, check=False)  # noqa: S603 -- a fixed command  # nosec B603
        if asked.returncode:
            return ""
        answers.append(asked.stdout.strip())
    return answers[0] + (DIRTY if answers[1] else "")


DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml"}
"""Distributions whose module has another name."""
MODULES = (
    *("certifi", "h5py", "imagehash", "jinja2", "jsonschema", "matplotlib", "numpy", "pandas", "PIL", "pyarrow"),
    *("pycurl", "rich", "yaml", "safetensors", "scipy", "snakemake", "torch", "torchvision", "tqdm", "urllib3"),
)
"""Modules of what Parley depends on."""
_STARTED = time.monotonic()


def packages() -> dict[str, str]:
    """Return the versions of what Parley depends on and this process has imported, by distribution."""
    from importlib import metadata

    found = {"python": platform.python_version()}
    for name in (DISTRIBUTIONS.get(module, module) for module in MODULES if module in sys.modules):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # Snakemake lends its own modules to a script's environment.
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what kind of machine this is: `cpu`, `cores`, `memory_gib`, `system`."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def device() -> str:
    """Return what this process computed on: a GPU's name, or `cpu`."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return "cpu"


def usage() -> dict[str, float]:
    """Return what this process has used: `wall_s` since it began, `cpu_s` with its children, `memory_mib` at most."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "wall_s": round(_age_s(), 2),
        "cpu_s": round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 2),
        "memory_mib": round(_peak_kib(own) / 1024, 1),
    }


def _peak_kib(own: resource.struct_rusage) -> float:
    """Return the most memory that this process held. What getrusage says on Linux counts in its parent's."""
    path = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s*(\d+) kB", path.read_text(), re.MULTILINE) if path.exists() else None
    return float(found[1]) if found else own.ru_maxrss / (1024 if sys.platform == "darwin" else 1)


def _age_s() -> float:
    """Return how long ago this process began; where that cannot be told, this module was imported."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rsplit(") ", 1)[1].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _STARTED


Roles = Mapping[str, Sequence[str]]
"""Paths by their name among a rule's inputs or outputs."""


class TrackedConfig(dict[str, Any]):
    """A config that notes which of its sections are read."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def read_sections(self) -> dict[str, Any]:
        """Return the sections that were read."""
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
    """Write down what a job that has just ended well did, and return where.

    Parameters
    ----------
    rule, wildcards
        Which job.
    inputs, outputs
        Its files and folders.
    params
        All its params; `code` among them is the digest of its code. Where there is none, it is taken of the script.
    config
        Sections of the config that it read besides.
    threads
        That it was given.
    script
        Path of its script.
    """
    used = usage()
    ended = datetime.now(UTC)
    values = dict(params)
    code = values.pop("code", None) or _code_of(script)
    return write_record(
        Record(
            rule=rule,
            wildcards=dict(wildcards),
            started=_moment(ended - timedelta(seconds=used["wall_s"])),
            ended=_moment(ended),
            inputs=tuple(_found(inputs, Hashes(Records()))),
            outputs=tuple(_left(outputs)),
            params=values,
            config=config,
            code=code,
            commit=os.environ.get(COMMIT, ""),
            packages=packages(),
            machine=machine(),
            device=device(),
            usage=used,
            threads=threads,
            parley=__version__,
        )
    )


def _code_of(script: str | Path) -> str:
    # Only of a fetch: to parse is slower than to look for what the params say.
    from parley.runtime.code_digest import SOURCES, Sources, stage_digest

    return stage_digest(script, Sources(SOURCES))


def _found(inputs: Roles, hashes: Hashes) -> Iterator[FileRecord]:
    for role, paths in inputs.items():
        for path in paths:
            yield from (hashes.of(each, role) for each in files_of(path))


def _left(outputs: Roles) -> Iterator[FileRecord]:
    """Yield outputs with the hash of what lies there now: no earlier record may tell of it."""
    afresh = Hashes(None)
    for role, paths in outputs.items():
        for path in paths:
            yield from (afresh.of(each, role) for each in files_of(path))


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
