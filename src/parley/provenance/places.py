"""Where a file lies as the workflow names it: its records hold paths that begin with `results/` or `resources/`."""

import os
from pathlib import Path

from parley.core.errors import ParleyError

TOPS = ("results", "resources")


def located(path: str | Path) -> tuple[Path, str]:
    """Return the working folder that a file was made in, and the path that the workflow has for it.

    Raises
    ------
    ParleyError
        When the file is not there, or lies below neither `results` nor `resources`.
    """
    if not Path(path).expanduser().exists():
        raise ParleyError(f"{path} does not exist; check the path.")
    root, name = named(path)
    if not name:
        raise ParleyError(f"{path} lies below neither results/ nor resources/, where the workflow puts what it makes.")
    return root, name


def named(path: str | Path) -> tuple[Path, str]:
    """Return the working folder of a file, there or not, and the path that the workflow has for it; empty for none."""
    # Not resolved: a results folder may be a link to a bigger disk.
    whole = Path(os.path.normpath(Path(path).expanduser().absolute()))
    for above in whole.parents:
        if above.name in TOPS:
            return above.parent, str(whole.relative_to(above.parent))
    return whole.parent, ""
