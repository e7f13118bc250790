"""What was said about a picture, exchange by exchange: for a person to read, or as plain values."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from parley.evaluation.single_image import Talk
from parley.interaction.transcript import Numbers, letters, sparkline
from parley.metrics.ranking import log_probabilities

LEADERS = 5
"""Candidates shown at each exchange."""


def as_values(talk: Talk) -> dict[str, Any]:
    """Return a talk as plain values, for JSON; exchanges up to the stop."""
    said, sitting = talk.said, talk.sitting
    exchanges = [_exchange(talk, t) for t in range(said.length)]
    best = exchanges[-1]["ranking"][0]
    return {
        "image": str(talk.image),
        "sha256": talk.sha256,
        "known": talk.known,
        "experiment": sitting.config["experiment"],
        "run": sitting.run,
        "seed": sitting.seed,
        "checkpoint": str(sitting.checkpoint),
        "step": sitting.trial.moment.step,
        "candidates": talk.labels,
        "exchanges": exchanges,
        "length": said.length,
        "most": len(said.active),
        "answer": best["class"],
        "probability": best["probability"],
    }


def _exchange(talk: Talk, t: int) -> dict[str, Any]:
    said = talk.said
    probabilities = np.exp(log_probabilities(said.scores[t]))
    order = np.argsort(-said.scores[t], kind="stable").tolist()
    return {
        "sender": _message(said.sender_bits[t], said.sender_probs[t]),
        "receiver": _message(said.receiver_bits[t], said.receiver_probs[t]),
        "go_on_probability": float(said.go_on_probs[t]),
        "goes_on": t + 1 < said.length,
        "ranking": [{"class": talk.labels[one], "probability": float(probabilities[one])} for one in order],
        "scores": said.scores[t].tolist(),
    }


def _message(values: Numbers, probabilities: Numbers) -> dict[str, Any]:
    if not np.isin(values, (0, 1)).all():
        return {"numbers": values.tolist()}
    return {"bits": "".join(str(int(bit)) for bit in values), "probabilities": probabilities.tolist()}


def as_text(talk: Talk, as_letters: bool = False, leaders: int = LEADERS) -> str:
    """Return a talk as text: what it is about, each exchange, and the answer.

    A message is shown as its bits' probabilities, one bar a bit, and the bits.
    """
    values = as_values(talk)
    lines = [
        f"{talk.image}: {values['experiment']}, run {values['run']}, seed {values['seed']}, step {values['step']}",
        _whether_known(talk),
        "",
    ]
    for number, exchange in enumerate(values["exchanges"], 1):
        lines += _lines(number, exchange, as_letters, leaders)
    end = "stopped" if values["length"] < values["most"] or not talk.said.go_on[-1] else "broken off"
    lines += [
        "",
        f"{end} after {values['length']} of at most {values['most']} exchanges",
        f"answer: {values['answer']} ({values['probability']:.2f}), among {len(talk.labels)} classes{_verdict(talk)}",
    ]
    return "\n".join(lines) + "\n"


def _whether_known(talk: Talk) -> str:
    if talk.known is None:
        return "none of the experiment's pictures"
    return f"the picture {talk.known['key']} of the {talk.known['part']} part, class {talk.known['class']}"


def _verdict(talk: Talk) -> str:
    if talk.known is None:
        return ""
    if talk.known["class"] not in talk.labels:
        return f"; its class, {talk.known['class']}, is none of them (--candidates all)"
    return "; right" if as_values(talk)["answer"] == talk.known["class"] else f"; wrong: it is {talk.known['class']}"


def _lines(number: int, exchange: dict[str, Any], as_letters: bool, leaders: int) -> Iterator[str]:
    yield f"{number:>3}  Sender    {_shown(exchange['sender'], as_letters)}"
    yield f"     Receiver  {_shown(exchange['receiver'], as_letters)}"
    best = "  ".join(f"{one['class']} {one['probability']:.2f}" for one in exchange["ranking"][:leaders])
    rest = len(exchange["ranking"]) - leaders
    yield f"     thinks    {best}{f'  and {rest} more' if rest > 0 else ''}"
    decision = "goes on" if exchange["goes_on"] else "ends"
    yield f"     go on     {exchange['go_on_probability']:.2f}: {decision}"


def _shown(message: dict[str, Any], as_letters: bool) -> str:
    if "numbers" in message:
        return " ".join(f"{value:+.2f}" for value in message["numbers"])
    bits = letters([int(bit) for bit in message["bits"]]) if as_letters else message["bits"]
    return f"{sparkline(message['probabilities'])}  {bits}"
