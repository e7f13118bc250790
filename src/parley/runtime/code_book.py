"""Which modules made up the code of a stage under each digest, so that a change of code can be told by their names.

Snakemake keeps a stage's digest among the params of each job. The book keeps what the digest was made of.
"""

from collections.abc import Mapping
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import read_json, write_json

BOOK = ".snakemake/parley/code.json"
"""Where it lies, from the folder in which Snakemake runs."""
MOST_DIGESTS = 600
"""Digests kept; those used longest ago go first."""


def remember(path: str | Path, stages: Mapping[str, Mapping[str, str]]) -> None:
    """Write down what digests are made of.

    Parameters
    ----------
    path
        The book.
    stages
        By digest of a stage, the digest of each of its parts by its name.
    """
    known = read(path)
    kept = {digest: parts for digest, parts in known.items() if digest not in stages}
    kept |= {digest: dict(parts) for digest, parts in stages.items()}
    book = dict(list(kept.items())[-MOST_DIGESTS:])
    if list(book) != list(known):
        write_json(path, book)


def read(path: str | Path) -> dict[str, dict[str, str]]:
    """Read the book; an empty one where there is none, or it cannot be read: it only names things."""
    try:
        return dict(read_json(path)) if Path(path).exists() else {}
    except (ParleyError, OSError):
        return {}


def changed_parts(old: Mapping[str, str] | None, new: Mapping[str, str]) -> list[str]:
    """Return the names of parts that are others, were added or are gone; none where the old ones are not known."""
    if old is None:
        return []
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
