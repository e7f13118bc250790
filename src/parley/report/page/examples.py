"""Choose the example dialogues of a run and the example image of each class, by fixed rules."""

from typing import Any

import numpy as np

from parley.core.formats import fraction
from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import hits, log_probabilities

LEADERS = 3
"""Number of best candidates shown at each exchange."""


def choose_examples(dialogues: Conversations, stop_rule: str | None = "product") -> list[dict[str, Any]]:
    """Choose up to four dialogues: quickest correct, corrected after the first guess, longest, most confident mistake.

    The rules are the same for every run, so that nobody can pick flattering examples; ties go to the first image.

    Parameters
    ----------
    dialogues
        The dialogues of a run on a split.
    stop_rule
        The game's `stop_rule`; None for a game whose Receiver does not decide when to stop.

    Returns
    -------
    list of dict
        For each dialogue: `why` it is shown, `key` of its image, `true_class`, `predicted_class`, whether the
        prediction is `right`, and `exchanges` up to the stop. An exchange has its `number`, the `sender` and `receiver`
        messages as bits, the `leaders` (the best candidates, and the true class if it is not among them: `label`,
        `probability`, `is_true`) and the `decision`, in words.
        The list is empty if messages are continuous or numbers are not finite.
    """
    if not dialogues.finite or not dialogues.binary:
        return []
    right = hits(dialogues.final_scores, dialogues.targets, 1) == 1
    confidence = log_probabilities(dialogues.final_scores).max(axis=-1)
    first_guess = dialogues.scores[:, 0].argmax(axis=-1)
    lengths = dialogues.lengths
    rules = (
        ("Correct and quick", right, confidence - 1e3 * lengths),
        ("Correct after a change of the prediction", right & (first_guess != dialogues.targets), confidence),
        ("The longest", np.ones_like(right), lengths + 1e-3 * confidence),
        ("The most confident mistake", ~right, confidence),
    )
    chosen: dict[int, str] = {}
    for why, eligible, merit in rules:
        rows = [row for row in np.flatnonzero(eligible).tolist() if row not in chosen]
        if rows:
            chosen[max(rows, key=lambda row: (merit[row], -row))] = why
    return [_example(dialogues, row, why, stop_rule) for row, why in chosen.items()]


def choose_typical(dialogues: Conversations, stop_rule: str | None = "product") -> dict[str, Any] | None:
    """Choose the dialogue whose probability of the true class, at its end, is the median; the lower of two.

    The parameters are those of `choose_examples`, and so is an entry of its result; None where that list is empty.
    """
    if not dialogues.finite or not dialogues.binary:
        return None
    probabilities = log_probabilities(dialogues.final_scores)[np.arange(len(dialogues.targets)), dialogues.targets]
    order = np.argsort(probabilities, kind="stable")
    return _example(dialogues, int(order[(len(order) - 1) // 2]), "A typical dialogue", stop_rule)


def _decision(dialogues: Conversations, row: int, t: int, stop_rule: str | None) -> str:
    """Describe what the Receiver decides after an exchange, and its probability of stopping there, and by then."""
    last = t + 1 == dialogues.lengths[row]
    if stop_rule is None:
        return "the last exchange" if last else "goes on"
    going = dialogues.go_on_probabilities[row, : t + 1].astype(np.float64)
    word = "goes on" if not last else "stops" if not dialogues.go_on[row, t] else "has to stop: no exchange is left"
    by_now = f", by now {fraction(1 - float(going.prod()))}" if stop_rule == "product" and t else ""
    return f"{word} (stop probability {fraction(1 - float(going[-1]))}{by_now})"


def _example(dialogues: Conversations, row: int, why: str, stop_rule: str | None) -> dict[str, Any]:
    labels, target = dialogues.labels, int(dialogues.targets[row])
    probabilities = np.exp(log_probabilities(dialogues.scores[row]))
    exchanges = []
    for t in range(int(dialogues.lengths[row])):
        order = np.argsort(-probabilities[t], kind="stable")[:LEADERS].tolist()
        shown = order if target in order else [*order, target]
        exchanges.append(
            {
                "number": t + 1,
                "sender": dialogues.sender_messages[row, t].tolist(),
                "receiver": dialogues.receiver_messages[row, t].tolist(),
                "leaders": [
                    {"label": labels[c], "probability": float(probabilities[t, c]), "is_true": c == target}
                    for c in shown
                ],
                "decision": _decision(dialogues, row, t, stop_rule),
            }
        )
    predicted = exchanges[-1]["leaders"][0]["label"]
    return {
        "why": why,
        "key": dialogues.keys[row],
        "true_class": labels[target],
        "predicted_class": predicted,
        "right": predicted == labels[target],
        "exchanges": exchanges,
    }


def first_of_each_class(dialogues: Conversations) -> dict[str, str]:
    """Return a mapping from each class in the dialogues to the key of its first image."""
    found: dict[str, str] = {}
    for key, target in zip(dialogues.keys, dialogues.targets.tolist(), strict=True):
        found.setdefault(dialogues.labels[target], key)
    return found
