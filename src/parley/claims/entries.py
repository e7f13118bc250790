"""A config's claims, checked before any work."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

_ONE, _TWO, _SEVERAL = ("run",), ("run", "against"), ("runs",)
NEEDED = {
    "length_with_difficulty": _ONE,
    "length_with_accuracy": _ONE,
    "receiver_entropy_change": _ONE,
    "sender_entropy_change": _ONE,
    "prediction_entropy_change": _ONE,
    "bandwidth_helps": _SEVERAL,
    "bandwidth_is_indifferent": _SEVERAL,
    "words_help": _TWO,
    "cells_help": _TWO,
    "stopping_costs_nothing": _TWO,
    "frozen_sender_lags": _TWO,
    "flips_cost": _ONE,
    "questions_matter": _ONE,
    "stops_at_once": _ONE,
}
"""Which runs each claim names. Here and not beside what they are measured by, which takes a second to import."""


def about_each(runs: Iterable[str]) -> list[dict[str, Any]]:
    """Return every claim that is about one run, of each run, on the test part."""
    single = [claim for claim, names in NEEDED.items() if names == _ONE]
    return [
        {"claim": claim, "part": "test", "run": run, "against": None, "runs": []} for run in runs for claim in single
    ]


def contradictions(entries: Sequence[Mapping[str, Any]], runs: Collection[str]) -> Iterator[str]:
    """Say which claims name runs that there are not, or not the runs that they are about.

    Parameters
    ----------
    entries
        The config's claims, defaults filled in.
    runs
        Names of all runs, grids written out.
    """
    for number, entry in enumerate(entries):
        where, needed = f"Config: claims[{number}], {entry['claim']},", NEEDED[entry["claim"]]
        given = [name for name in ("run", "against", "runs") if entry[name]]
        if set(given) != set(needed):
            yield f"{where} must name {' and '.join(needed)}; it names {' and '.join(given) or 'none of them'}."
        if "runs" in given and len(entry["runs"]) < 2:
            yield f"{where} compares runs with each other; name two at least."
        named = [*entry["runs"], *(entry[name] for name in ("run", "against") if entry[name])]
        for name in named:
            if name not in runs:
                yield f"{where} names the run {name}, which there is not; there are {', '.join(runs)}."
