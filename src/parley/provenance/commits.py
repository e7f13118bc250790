"""The git commit of the code."""

import shutil
import subprocess  # nosec B404
from pathlib import Path

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
