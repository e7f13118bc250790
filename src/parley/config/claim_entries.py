"""Check the entries of a config's section `claims`, and list the runs whose results are needed to test them.

A claim is a statement about the game. `parley.analysis.claims` tests it; that module takes a second to import.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from parley.core.errors import did_you_mean
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
    "questions_help": _TWO,
    "later_exchanges_help": _ONE,
    "stops_at_once": _ONE,
}
"""Claim → the keys of its entry that must contain names of runs."""
OF_CLASSES = ("length_with_difficulty",)
"""Claims that need the linear classifier, which is trained and evaluated on the seen classes only."""
OF_INTERVENTIONS = ("flips_cost", "questions_matter")
OF_CONVERSATIONS = tuple(name for name, needed in NEEDED.items() if needed == _ONE and name not in OF_INTERVENTIONS)
PARTS = {
    **dict.fromkeys(OF_CLASSES, ("train", "dev", "test")),
    **dict.fromkeys(OF_INTERVENTIONS, ("test", "ood")),
    "words_help_transfer": ("transfer", "transfer_alone"),
}
"""For each claim that cannot be tested on every split, the splits on which it can be tested."""

Entry = Mapping[str, Any]


def about_each(runs: Iterable[str], classifier: bool) -> list[dict[str, Any]]:
    """Return entries of `claims` that test, for each run, all claims about a single run on the test split.

    Parameters
    ----------
    runs
        Names of the runs.
    classifier
        Whether there are features for a linear classifier; if not, claims that need the classifier are left out.
    """
    single = [name for name, needed in NEEDED.items() if needed == _ONE and (classifier or name not in OF_CLASSES)]
    return [
        {"claim": claim, "part": "test", "run": run, "against": None, "runs": []} for run in runs for claim in single
    ]


def contradictions(entries: Sequence[Entry], bits: Mapping[str, int]) -> Iterator[str]:
    """Yield an error message for each entry with unknown runs, or with runs or a split that its claim cannot use.

    Parameters
    ----------
    entries
        Entries of the section `claims`, with defaults.
    bits
        Number of message bits of each run, with grids expanded.
    """
    for number, entry in enumerate(entries):
        where, needed = f"Config: claims[{number}], {entry['claim']},", NEEDED[entry["claim"]]
        given = [name for name in ("run", "against", "runs") if entry[name]]
        named = [*entry["runs"], *(entry[name] for name in ("run", "against") if entry[name])]
        strays = [name for name in named if name not in bits]
        if set(given) != set(needed):
            yield f"{where} must name {' and '.join(needed)}; it names {' and '.join(given) or 'none of them'}."
        elif strays:
            known = did_you_mean(strays[0], bits, f"the runs are {', '.join(bits)}.")
            yield f"{where} names the run {', '.join(strays)}, which does not exist; {known}"
        elif needed == _TWO and entry["run"] == entry["against"]:
            yield f"{where} compares the run {entry['run']} with itself; give another run in `against`."
        elif needed == _SEVERAL and len({bits[name] for name in entry["runs"]}) < 2:
            yield f"{where} must name at least two runs that differ in game.message_bits."
        allowed = PARTS.get(entry["claim"], (entry["part"],))
        if entry["part"] not in allowed:
            yield f"{where} can be tested on the split {' or '.join(allowed)}, not on {entry['part']}."


def lacking_parts(entries: Sequence[Entry], parts: Collection[str]) -> Iterator[str]:
    """Yield an error message for each claim about a split that the experiment does not have."""
    for number, entry in enumerate(entries):
        if entry["part"].removesuffix(ALONE) not in parts:
            yield (
                f"Config: claims[{number}], {entry['claim']}, is about the split {entry['part']}, which the experiment "
                f"does not have; it has {', '.join(parts)}."
            )


def conversations_of(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """Return the pairs of run and split whose recorded dialogues the claims need, without duplicates."""
    return list(dict.fromkeys((one["run"], one["part"]) for one in entries if one["claim"] in OF_CONVERSATIONS))


def intervened_runs(entries: Iterable[Entry]) -> list[str]:
    """Return the runs whose results under interventions the claims need, without duplicates."""
    return list(dict.fromkeys(one["run"] for one in entries if one["claim"] in OF_INTERVENTIONS))


def evaluated_runs(entries: Iterable[Entry]) -> list[str]:
    """Return the runs whose evaluations the claims need, without duplicates."""
    named = (name for one in entries for name in (*one["runs"], one["run"], one["against"]) if name)
    return list(dict.fromkeys(named))


def takes_classifier(entries: Iterable[Entry]) -> bool:
    """Return True if any claim needs the linear classifier."""
    return any(one["claim"] in OF_CLASSES for one in entries)
