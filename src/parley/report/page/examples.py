"""Choose the example dialogues of a run and the example image of each class, by fixed rules."""

from typing import Any

import numpy as np

from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import hits, log_probabilities

LEADERS = 3
"""Number of best candidates shown at each exchange."""


def choose_examples(dialogues: Conversations) -> list[dict[str, Any]]:
    """Choose up to four dialogues: quickest correct, corrected after the first guess, longest, most confident mistake.

    The rules are the same for every run, so that nobody can pick flattering examples; ties go to the first image.

    Returns
    -------
    list of dict
        For each dialogue: `why` it is shown, `key` of its image, `true_class`, `predicted_class`, whether the
        prediction is `right`, and `exchanges` up to the stop. An exchange has its `number`, the `sender` and `receiver`
        messages as bits, the `leaders` (best candidates: `label`, `probability`, `is_true`) and `go_on_probability`.
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
    return [_example(dialogues, row, why) for row, why in chosen.items()]


def _example(dialogues: Conversations, row: int, why: str) -> dict[str, Any]:
    labels, target = dialogues.labels, int(dialogues.targets[row])
    probabilities = np.exp(log_probabilities(dialogues.scores[row]))
    exchanges = []
    for t in range(int(dialogues.lengths[row])):
        order = np.argsort(-probabilities[t], kind="stable")[:LEADERS].tolist()
        exchanges.append(
            {
                "number": t + 1,
                "sender": dialogues.sender_messages[row, t].tolist(),
                "receiver": dialogues.receiver_messages[row, t].tolist(),
                "leaders": [
                    {"label": labels[c], "probability": float(probabilities[t, c]), "is_true": c == target}
                    for c in order
                ],
                "go_on_probability": float(dialogues.go_on_probabilities[row, t]),
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
