"""A config's claims, checked before any work, and what files they need.

Without what they are measured by, which takes a second to import.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from parley.interaction.eval_sets import ALONE

_ONE, _TWO, _SEVERAL = ("run",), ("run", "against"), ("runs",)
NEEDED = {
    "length_with_difficulty": _ONE,
    "length_with_accuracy": _ONE,
    "receiver_entropy_change": _ONE,
    "sender_entropy_change": _ONE,
    "prediction_entropy_change": _ONE,
    "bandwidth_helps": _SEVERAL,
    "bandwidth_is_indifferent": _SEVERAL,
    "words_help_transfer": _TWO,
    "words_help": _TWO,
    "cells_help": _TWO,
    "stopping_costs_nothing": _TWO,
    "frozen_sender_lags": _TWO,
    "flips_cost": _ONE,
    "questions_matter": _ONE,
    "stops_at_once": _ONE,
}
"""Which runs each claim names."""
OF_CLASSES = ("length_with_difficulty",)
"""Claims that take the linear classifier, which knows the classes trained on alone."""
OF_INTERVENTIONS = ("flips_cost", "questions_matter")
OF_CONVERSATIONS = tuple(name for name, needed in NEEDED.items() if needed == _ONE and name not in OF_INTERVENTIONS)
PARTS = {
    **dict.fromkeys(OF_CLASSES, ("train", "dev", "test")),
    **dict.fromkeys(OF_INTERVENTIONS, ("test", "ood")),
    "words_help_transfer": ("transfer", "transfer_alone"),
}
"""Parts that a claim can be tested on, where that is not all of them."""

Entry = Mapping[str, Any]


def about_each(runs: Iterable[str], classifier: bool) -> list[dict[str, Any]]:
    """Return every claim that is about one run, of each run, on the test part.

    Parameters
    ----------
    runs
        Names of the runs.
    classifier
        Whether there are features that a linear classifier can look at.
    """
    single = [name for name, needed in NEEDED.items() if needed == _ONE and (classifier or name not in OF_CLASSES)]
    return [
        {"claim": claim, "part": "test", "run": run, "against": None, "runs": []} for run in runs for claim in single
    ]


def contradictions(entries: Sequence[Entry], bits: Mapping[str, int]) -> Iterator[str]:
    """Say which claims name runs that there are not, or not the runs that they are about.

    Parameters
    ----------
    entries
        The config's claims, defaults filled in.
    bits
        Bits of a message of every run, grids written out.
    """
    for number, entry in enumerate(entries):
        where, needed = f"Config: claims[{number}], {entry['claim']},", NEEDED[entry["claim"]]
        given = [name for name in ("run", "against", "runs") if entry[name]]
        named = [*entry["runs"], *(entry[name] for name in ("run", "against") if entry[name])]
        strays = [name for name in named if name not in bits]
        if set(given) != set(needed):
            yield f"{where} must name {' and '.join(needed)}; it names {' and '.join(given) or 'none of them'}."
        elif strays:
            yield f"{where} names the run {', '.join(strays)}, which there is not; there are {', '.join(bits)}."
        elif needed == _TWO and entry["run"] == entry["against"]:
            yield f"{where} compares the run {entry['run']} with itself; name another."
        elif needed == _SEVERAL and len({bits[name] for name in entry["runs"]}) < 2:
            yield f"{where} must name runs that differ in game.message_bits, two at least."
        allowed = PARTS.get(entry["claim"], (entry["part"],))
        if entry["part"] not in allowed:
            yield f"{where} can be tested on the part {' or '.join(allowed)}, and not on {entry['part']}."


def lacking_parts(entries: Sequence[Entry], parts: Collection[str]) -> Iterator[str]:
    """Say which claims are about a part that the experiment does not have."""
    for number, entry in enumerate(entries):
        if entry["part"].removesuffix(ALONE) not in parts:
            yield (
                f"Config: claims[{number}], {entry['claim']}, is about the part {entry['part']}, which the experiment "
                f"does not have; it has {', '.join(parts)}."
            )


def conversations_of(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """Return each run and part of which conversations are needed, once."""
    return list(dict.fromkeys((one["run"], one["part"]) for one in entries if one["claim"] in OF_CONVERSATIONS))


def intervened_runs(entries: Iterable[Entry]) -> list[str]:
    """Return the runs of which interventions are needed, each once."""
    return list(dict.fromkeys(one["run"] for one in entries if one["claim"] in OF_INTERVENTIONS))


def evaluated_runs(entries: Iterable[Entry]) -> list[str]:
    """Return the runs of which evaluations are needed, each once."""
    named = (name for one in entries for name in (*one["runs"], one["run"], one["against"]) if name)
    return list(dict.fromkeys(named))


def takes_classifier(entries: Iterable[Entry]) -> bool:
    """Return whether the linear classifier is needed."""
    return any(one["claim"] in OF_CLASSES for one in entries)
