"""Groups of classes: a label for reports that a class set may give."""

from pathlib import Path

from parley.core.files import read_table


def read_groups(path: str | Path | None) -> dict[str, str]:
    """Return the group of each class of a class set that has one; none at all without a class set."""
    if not path:
        return {}
    return {row["class"]: row["group"] for row in read_table(path, ["class"]) if row.get("group")}
