"""Read and write descriptions.csv, which contains one description for each class.

The format is that of the original implementation (Evtimova et al., 2018).
"""

import csv
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import Findings
from parley.core.files import written_aside
from parley.core.text import control_characters, csv_rows, delimiter_found


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
        One description for each class, in the order of label ids. Between these there may be gaps.

    Raises
    ------
    ParleyError
        If the file cannot be read, a line does not have three fields, an id or a label is missing, repeated or invalid,
        or a description is empty. The error lists all problems of the same kind.
    """
    findings = Findings()
    rows = []
    for line, cells in csv_rows(path):
        fields = [cell.strip(" ") for cell in cells]
        if complaint := _complaint_about(fields):
            findings.add(f"{path}, line {line}: {complaint}")
        else:
            rows.append(Description(int(fields[0]), fields[1], fields[2].strip()))
    findings.raise_if_any()
    findings.extend(f"{path}: {complaint}" for complaint in _complaints_about_all(rows))
    findings.raise_if_any()
    return sorted(rows)


def _complaint_about(fields: Sequence[str]) -> str:
    if len(fields) == 1 and (other := delimiter_found(fields[0], _begins_with_an_id)):
        return f"its fields are separated by {other}; separate label_id, label and description by commas."
    if len(fields) != 3:
        return (
            f"{len(fields)} fields instead of label_id, label and description; a description must not contain a comma."
        )
    label_id, label, text = fields
    if not (label_id.isascii() and label_id.isdigit()):
        return f"the label id {label_id!r} is not a non-negative integer; the file has no header."
    if len(label_id) > 10 or int(label_id) >= 2**31:
        return f"the label id {label_id[:10]} of {len(label_id)} digits is too large; ids are below 2147483648."
    if not label.strip():
        return "the label is empty."
    if any(unicodedata.category(mark) == "Cc" for mark in label):
        return f"the label {label!r} contains a tab, a line break or another control character; remove it."
    if marks := control_characters(text):
        return f"the description of {label!r} contains control characters ({marks}); remove them."
    return "" if text.strip() else f"the description of {label!r} is empty."


def _begins_with_an_id(cells: Sequence[str]) -> bool:
    return len(cells) >= 3 and cells[0].isdigit()


def _complaints_about_all(rows: Sequence[Description]) -> list[str]:
    if not rows:
        return ["it describes no class."]
    labels = [unicodedata.normalize("NFC", row.label) for row in rows]  # Equal-looking labels may differ in bytes.
    columns = {"label ids": [str(row.label_id) for row in rows], "labels": labels}
    repeated = {name: [one for one, times in Counter(values).items() if times > 1] for name, values in columns.items()}
    return [f"the {name} {', '.join(values)} are repeated." for name, values in repeated.items() if values]


def listed_ids(ids: Sequence[int]) -> str:
    """Return label ids in ascending order, none twice, as text, such as ``0 to 29``; with gaps, at most 10 of them."""
    if len(ids) > 2 and ids[-1] - ids[0] == len(ids) - 1:
        return f"{ids[0]} to {ids[-1]}"
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return ", ".join(map(str, ids[:10])) + more
