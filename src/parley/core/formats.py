"""Formatting of numbers and names in reports, figures and tables."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

REUSED = "reused"
"""End of the name of a rule that copies the files of classes from other image sets, instead of a group's number."""
NOTHING = "–"
"""Text shown for a missing value."""


def printable(text: str) -> str:
    """Return a text with control characters, except line ends, and invalid characters escaped."""
    return "".join(mark if mark.isprintable() or mark == "\n" else ascii(mark)[1:-1] for mark in text)


def fraction(value: float | None) -> str:
    """Format a fraction with three decimals, or, if it is from 0.00001 to 0.00095, with two significant digits.

    With 17,000 classes, chance is 0.000059. With three decimals, ten times chance would be written as 0.001.
    """
    if value is None:
        return NOTHING
    size = abs(value)
    # A value below 1e-5 is zero with a rounding error, because chance exceeds 1e-5 for every class set.
    decimals = 1 - math.floor(math.log10(size)) if 1e-5 <= size < 0.00095 else 3
    return f"{value:.{decimals}f}"


def measure(value: float | None, unit: str) -> str:
    """Format a metric with three decimals or, if its unit is ``fraction``, with the function `fraction`."""
    if value is None or unit == "fraction":
        return fraction(value)
    return f"{value:z.3f}"


def change(value: float) -> str:
    """Format the difference between two fractions, such as accuracies, with its sign."""
    written = fraction(value)
    return written if written.startswith("-") else f"+{written}"


def percent(value: float) -> str:
    """Format a fraction as a percentage with one decimal, or, if that would be 0.0, with two significant digits."""
    return f"{100 * value:.2g} %" if 1e-5 <= abs(value) < 0.0005 else f"{100 * value:.1f} %"


def exchanges(value: float | None) -> str:
    """Format a number of exchanges with two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


def bits(value: float) -> str:
    """Format a number of bits with two decimals; NaN becomes `NOTHING`."""
    return NOTHING if math.isnan(value) else f"{value:.2f}"


def duration(seconds: float) -> str:
    """Format a duration, as in ``0.4 s``, ``43 s``, ``2 min 05 s`` and ``3 h 20 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(value: int | None) -> str:
    """Format a count with a thousands separator."""
    return NOTHING if value is None else f"{value:,}"


def counted(number: int, noun: str) -> str:
    """Format a count with its noun, as in ``1 seed``, ``5 seeds`` and ``3 classes``."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Return the plural of a noun."""
    return noun + ("es" if noun.endswith(("s", "ch")) else "s")


def file_size(size_bytes: float) -> str:
    """Format a size, as in ``12 B``, ``3.4 kB`` and ``5.6 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.95:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def interval(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """Format an interval as ``[low, high]``; return an empty string if a bound is None.

    The bounds have `decimals` decimals. If `decimals` is None, they are formatted with `fraction`.
    """
    if low is None or high is None:
        return ""
    return f"[{fraction(low)}, {fraction(high)}]" if decimals is None else f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def isolated(name: str) -> str:
    """Isolate a name so that right-to-left text in it does not reorder the sentence around it.

    Names with right-to-left characters are wrapped in Unicode isolates; other names are returned unchanged.
    """
    turns = any(unicodedata.bidirectional(mark) in ("R", "AL", "AN", "RLE", "RLO", "RLI", "LRO") for mark in name)
    return f"\u2068{name}\u2069" if turns else name


def base_of(rule: str) -> str:
    """Remove the group of classes or seeds from a rule's name, such as `_0000` in `hash_images_0000`, or `_reused`."""
    return re.sub(rf"_(\d+|{REUSED})$", "", rule)


def listed(items: Sequence[str], most: int | None = None) -> str:
    """Join items into a phrase such as ``a, b and c``, or, of more than `most` items, ``a, b and 5 more``."""
    if most is not None and len(items) > most:
        items = [*items[:most], f"{len(items) - most} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def by_frequency(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the names and their counts, largest count first; names with equal counts are in alphabetical order."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
