"""Where a page comes from: the code's commit, the machine and the hour, as far as the page itself can know."""

import datetime
import os
import platform
import shutil
import subprocess  # nosec B404
from dataclasses import dataclass, field
from pathlib import Path

CODE = ("Snakefile", "config", "config.yaml", "envs", "profiles", "pyproject.toml", "src", "workflow")
"""What decides results; a change elsewhere leaves a commit's results what they are."""
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from.

    Attributes
    ----------
    made
        Day and time of the page, UTC.
    commit
        The commit that is checked out; None where the code lies in no repository of its own.
    changed
        Files of the code that differ from it, as git names them.
    host
        What the page was made on: its traits by name.
    """

    made: str
    commit: str | None = None
    changed: list[str] = field(default_factory=list)
    host: dict[str, str] = field(default_factory=dict)


def find_origin(repository: str | Path) -> Origin:
    """Look at the code's repository and at this machine.

    Parameters
    ----------
    repository
        Folder with the Snakefile.
    """
    commit = _commit(Path(repository))
    return Origin(
        made=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        commit=commit,
        changed=_changed(Path(repository)) if commit is not None else [],
        host=_host(),
    )


def _commit(folder: Path) -> str | None:
    top = _said(["git", "-C", str(folder), "rev-parse", "--show-toplevel"])
    # An installed copy may lie inside a repository of something else, whose commit says nothing of it.
    if top is None or Path(top.strip()).resolve() != folder.resolve():
        return None
    commit = _said(["git", "-C", str(folder), "rev-parse", "HEAD"])
    return commit.strip() if commit else None


def _changed(folder: Path) -> list[str]:
    there = [name for name in CODE if (folder / name).exists()]
    said = _said(["git", "-C", str(folder), "-c", "core.quotePath=false", "status", "--porcelain", "-z", "--", *there])
    # A renamed file's old name stands alone, without the two letters and the space before a name.
    return [entry[3:] for entry in (said or "").split("\0") if entry[2:3] == " "]


def _said(command: list[str]) -> str | None:
    """Return what a program writes; None where it is missing, fails, or takes too long."""
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


def _host() -> dict[str, str]:
    gpus = _said(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
        "memory": _memory(),
        "GPU": ", ".join(line.strip() for line in (gpus or "").splitlines() if line.strip()) or "none found",
        "system": _system(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine() or "unknown"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, OSError, ValueError):
        return "unknown"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name} ({platform.system()} {platform.release()}, {platform.machine()})"
