"""What a job ran in: machine, device, packages, commit. Nothing that names a person or a machine."""

import os
import platform
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

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
