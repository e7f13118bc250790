"""How numbers and names are written on the page and in its sentences."""

import unicodedata

NOTHING = "–"
"""What stands in a cell that has no value."""


def fraction(value: float | None) -> str:
    """Write a fraction, such as an accuracy, with three decimals."""
    return NOTHING if value is None else f"{value:.3f}"


def percent(value: float) -> str:
    """Write a fraction as a percentage with one decimal."""
    return f"{100 * value:.1f} %"


def exchanges(value: float | None) -> str:
    """Write a number of exchanges with two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


def count(value: int | None) -> str:
    """Write a count with separated thousands."""
    return NOTHING if value is None else f"{value:,}"


def counted(number: int, noun: str) -> str:
    """Write a count with its noun: 1 seed, 5 seeds, 3 classes."""
    plural = noun + ("es" if noun.endswith(("s", "ch")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def interval(low: float | None, high: float | None, decimals: int = 3) -> str:
    """Write an interval in brackets; nothing where there is none."""
    return "" if low is None or high is None else f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def isolated(name: str) -> str:
    """Return a name so that right-to-left text in it leaves the order of the sentence around it alone.

    Such a name is set between Unicode's isolates; any other is returned as it is.
    """
    turns = any(unicodedata.bidirectional(mark) in ("R", "AL", "AN", "RLE", "RLO", "RLI", "LRO") for mark in name)
    return f"\u2068{name}\u2069" if turns else name


def listed(items: list[str]) -> str:
    """Join items into a phrase: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
