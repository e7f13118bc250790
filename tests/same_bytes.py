"""What two runs of one experiment must have alike, and the few fields that may differ: times.

docs/development/determinism.md tells people the same list.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from whole_lines import files_in


def without_seconds(content: bytes) -> bytes:
    """Take the column `seconds` out of a manifest."""
    rows = [line.split("\t") for line in content.decode().splitlines()]
    place = rows[0].index("seconds")
    return json.dumps([row[:place] + row[place + 1 :] for row in rows]).encode()


def without_time(content: bytes) -> bytes:
    """Take `seconds` out of each line of a training log."""
    rows = [json.loads(line) for line in content.decode().splitlines()]
    return json.dumps([{name: value for name, value in row.items() if name != "seconds"} for row in rows]).encode()


def without_origin(content: bytes) -> bytes:
    """Take out of the report when and how it was made, with what times, and what lay beside it by then."""
    text = content.decode()
    text = re.sub(r'<span class="note">Page made .*?</span>', "", text)
    text = re.sub(r'<a href="#costs">.*?</a>|<section id="costs">.*?</section>', "", text, flags=re.DOTALL)
    return re.sub(r'<section id="made-with">.*?</section>', "", text, flags=re.DOTALL).encode()


# Of which neither what is in them nor which there are is compared: when and how long.
PASSED_OVER = re.compile(r"results/[^/]+/(logs|benchmarks)/.*|results/[^/]+/provenance\.json|(.*/)?\.(made|records)/.*")
# By a pattern of the path, what is compared of a file.
MAY_DIFFER: list[tuple[str, Callable[[bytes], bytes]]] = [
    # Answers of the web as they came, with the seconds they took.
    (r"resources/cache/.*", lambda content: content.partition(b"\n")[2]),
    (r"resources/images/[^/]+/[^/]+\.tsv", without_seconds),
    (r".*/metrics\.jsonl", without_time),
    (r"results/[^/]+/report\.html", without_origin),
]


def compared(path: str, content: bytes) -> bytes:
    """Return what is compared of a file."""
    for pattern, reduce in MAY_DIFFER:
        if re.fullmatch(pattern, path):
            return reduce(content)
    return content


def differing(one: Path, other: Path, below: tuple[str, ...] = ("results", "resources")) -> list[str]:
    """Return the paths of files that only one of two runs has, or that differ in more than they may."""
    left, right = files_in(one, below), files_in(other, below)
    return sorted(
        path
        for path in left.keys() | right.keys()
        if not PASSED_OVER.fullmatch(path)
        and (path not in left or path not in right or compared(path, left[path]) != compared(path, right[path]))
    )
