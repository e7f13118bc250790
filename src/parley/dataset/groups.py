"""Groups of classes: optional labels in the class set, used in reports."""

from pathlib import Path

from parley.core.files import read_table


def read_groups(path: str | Path | None) -> dict[str, str]:
    """Return the group of each class that has one; empty without a class set."""
    if not path:
        return {}
    return {row["class"]: row["group"] for row in read_table(path, ["class"]) if row.get("group")}
