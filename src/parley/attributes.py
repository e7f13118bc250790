"""What classes are made of: a table of attributes, with which disentanglement is measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parley.errors import Findings, ParleyError
from parley.files import read_table, write_table
from parley.world.attributes import ATTRIBUTES, CREATURES

Table = dict[str, dict[str, str]]
"""Value of each attribute, by class and attribute."""


def world_attributes() -> Table:
    """Return the attributes of the bundled world's creatures."""
    return {one.name: {name: getattr(one, name) for name in ATTRIBUTES} for one in CREATURES}


def read_attributes(path: str | Path) -> Table:
    """Read a TSV with the column ``class`` and a column an attribute.

    Raises
    ------
    ParleyError
        When there are fewer than two attributes, between which nothing can be told apart; a cell is empty; or a class
        stands twice.
    """
    rows = read_table(path, ["class"])
    names = [name for name in rows[0] if name != "class"] if rows else []
    findings = Findings()
    if len(names) < 2:
        findings.add(f"{path} has {len(names)} columns besides class; name two attributes at least.")
    table: Table = {}
    for row in rows:
        if row["class"] in table:
            findings.add(f"{path} has the class {row['class']} twice; leave one of the lines out.")
        if empty := [name for name in names if not row[name].strip()]:
            findings.add(f"{path}, class {row['class']}: {', '.join(empty)} is empty; give every attribute a value.")
        table[row["class"]] = {name: row[name].strip() for name in names}
    findings.raise_if_any()
    return table


def write_attributes(given: str | Path | None, classes: Sequence[str], out: str | Path) -> None:
    """Write the attributes of an experiment's classes, in their order.

    Parameters
    ----------
    given
        A table as `read_attributes` takes; None for the bundled world's.
    classes
        Names of all classes.
    out
        The TSV.

    Raises
    ------
    ParleyError
        When a class has none.
    """
    table = world_attributes() if given is None else read_attributes(given)
    if missing := [name for name in classes if name not in table]:
        raise ParleyError(
            f"{given or 'The bundled world'} has no attributes of {', '.join(missing[:10])}; add a line for each "
            "class, or set evaluation.attributes to null."
        )
    names = list(next(iter(table.values())))
    write_table(out, ["class", *names], [[name, *table[name].values()] for name in classes])


def attribute_codes(
    table: Mapping[str, Mapping[str, str]], labels: Sequence[str], path: str | Path
) -> NDArray[np.int64]:
    """Return each class's values as whole numbers, attribute by attribute [K, A].

    Parameters
    ----------
    table
        From `read_attributes`.
    labels
        Names of the K classes.
    path
        Where the table is from, for the error where a class is not in it.
    """
    if missing := [label for label in labels if label not in table]:
        raise ParleyError(f"{path} has no attributes of {', '.join(missing[:10])}; make it again.")
    values = np.array([list(table[label].values()) for label in labels])
    return np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], axis=1).astype(np.int64)
