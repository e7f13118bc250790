"""Read and write descriptions.csv, which contains one description for each class.

The format is that of the original implementation (Evtimova et al., 2018).
"""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import Findings
from parley.core.files import written_aside
from parley.core.text import csv_rows


def stop_words_file(stop_words: str) -> str:
    """Return the path of the list that `words.stop_words` names; an empty string for one of Parley's lists."""
    return "" if stop_words in ("parley", "original") else stop_words


class Description(NamedTuple):
    """A class and its description, which the Receiver reads."""

    label_id: int
    label: str
    text: str


def write_descriptions(path: str | Path, descriptions: Iterable[Description]) -> None:
    """Write ``label_id,label,description`` lines, UTF-8, without a header."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(descriptions)


def read_descriptions(path: str | Path) -> list[Description]:
    """Read descriptions.csv.

    Returns
    -------
    list of Description
        One description for each class, in the order of label ids, which are 0 to D − 1 for D classes.

    Raises
    ------
    ParleyError
        If the file cannot be read, a line does not have three fields, an id or a label is missing, repeated or invalid,
        or a description is empty. The error lists all problems of the same kind.
    """
    findings = Findings()
    rows = []
    for line, fields in csv_rows(path):
        if complaint := _complaint_about(fields):
            findings.add(f"{path}, line {line}: {complaint}")
        else:
            rows.append(Description(int(fields[0]), fields[1], fields[2].strip()))
    findings.raise_if_any()
    findings.extend(f"{path}: {complaint}" for complaint in _complaints_about_all(rows))
    findings.raise_if_any()
    return sorted(rows)


def _complaint_about(fields: Sequence[str]) -> str:
    if len(fields) != 3:
        return (
            f"{len(fields)} fields instead of label_id, label and description; a description must not contain a comma."
        )
    label_id, label, text = fields
    if not (label_id.isascii() and label_id.isdigit()):
        return f"the label id {label_id!r} is not an integer; the file has no header, and ids count from 0."
    if not label.strip():
        return "the label is empty."
    return "" if text.strip() else f"the description of {label!r} is empty."


def _complaints_about_all(rows: Sequence[Description]) -> list[str]:
    if not rows:
        return ["it describes no class."]
    ids = sorted(row.label_id for row in rows)
    found = []
    if ids != list(range(len(rows))):
        found.append(f"its {len(rows)} label ids are not 0 to {len(rows) - 1} without a gap or a repetition.")
    repeated = [label for label, times in Counter(row.label for row in rows).items() if times > 1]
    if repeated:
        found.append(f"the labels {', '.join(repeated)} are repeated.")
    return found
