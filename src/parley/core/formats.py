"""How numbers and names are written in reports, figures and tables."""

import math
import unicodedata

NOTHING = "–"
"""What stands in a cell that has no value."""


def fraction(value: float | None) -> str:
    """Write a fraction, such as an accuracy, with three decimals; with two digits where these would say nothing.

    Chance among 17,000 classes is 0.000057, and an accuracy of ten times that 0.00057.
    """
    if value is None:
        return NOTHING
    size = abs(value)
    # Smaller is chance of no class set, but a measure that is 0 but for rounding.
    decimals = 1 - math.floor(math.log10(size)) if 1e-5 <= size < 0.00095 else 3
    return f"{value:.{decimals}f}"


def measure(value: float | None, unit: str) -> str:
    """Write a measure with three decimals, one of fractions as `fraction` does: 0 but for noise is written as 0."""
    if value is None or unit == "fraction":
        return fraction(value)
    return f"{value:.3f}"


def change(value: float) -> str:
    """Write how much a fraction changes, with its sign."""
    written = fraction(value)
    return written if written.startswith("-") else f"+{written}"


def percent(value: float) -> str:
    """Write a fraction as a percentage with one decimal."""
    return f"{100 * value:.1f} %"


def exchanges(value: float | None) -> str:
    """Write a number of exchanges with two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


def bits(value: float) -> str:
    """Write a number of bits with two decimals; nothing where it is no number."""
    return NOTHING if math.isnan(value) else f"{value:.2f}"


def duration(seconds: float) -> str:
    """Write a span of time: 0.4 s, 43 s, 2 min 05 s, 3 h 20 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(value: int | None) -> str:
    """Write a count with separated thousands."""
    return NOTHING if value is None else f"{value:,}"


def counted(number: int, noun: str) -> str:
    """Write a count with its noun: 1 seed, 5 seeds, 3 classes."""
    plural = noun + ("es" if noun.endswith(("s", "ch")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def interval(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """Write an interval in brackets, without `decimals` as one of fractions; nothing where there is none."""
    if low is None or high is None:
        return ""
    return f"[{fraction(low)}, {fraction(high)}]" if decimals is None else f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def isolated(name: str) -> str:
    """Return a name so that right-to-left text in it leaves the order of the sentence around it alone.

    Such a name is set between Unicode's isolates; any other is returned as it is.
    """
    turns = any(unicodedata.bidirectional(mark) in ("R", "AL", "AN", "RLE", "RLO", "RLI", "LRO") for mark in name)
    return f"\u2068{name}\u2069" if turns else name


def listed(items: list[str]) -> str:
    """Join items into a phrase: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
