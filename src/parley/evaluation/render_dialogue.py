"""Render a dialogue about a single image as text or as JSON values, exchange by exchange."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from parley.evaluation.single_image import ImageDialogue
from parley.interaction.transcript import Numbers, letters, sparkline
from parley.metrics.ranking import log_probabilities

LEADERS = 5
"""Number of best candidates shown at each exchange."""


def as_values(result: ImageDialogue) -> dict[str, Any]:
    """Return a dialogue as JSON-serialisable values, with its exchanges up to the stop."""
    dialogue, session = result.dialogue, result.session
    exchanges = [_exchange(result, t) for t in range(dialogue.length)]
    best = exchanges[-1]["ranking"][0]
    return {
        "image": str(result.image),
        "sha256": result.sha256,
        "known": result.known,
        "experiment": session.config["experiment"],
        "run": session.run,
        "seed": session.seed,
        "checkpoint": str(session.checkpoint_path),
        "step": session.loaded.checkpoint.step,
        "candidates": result.labels,
        "exchanges": exchanges,
        "length": dialogue.length,
        "most": len(dialogue.active),
        "answer": best["class"],
        "probability": best["probability"],
    }


def _exchange(result: ImageDialogue, t: int) -> dict[str, Any]:
    dialogue = result.dialogue
    probabilities = np.exp(log_probabilities(dialogue.scores[t]))
    order = np.argsort(-dialogue.scores[t], kind="stable").tolist()
    return {
        "sender": _message(dialogue.sender_bits[t], dialogue.sender_probs[t]),
        "receiver": _message(dialogue.receiver_bits[t], dialogue.receiver_probs[t]),
        "go_on_probability": float(dialogue.go_on_probs[t]),
        "goes_on": t + 1 < dialogue.length,
        "ranking": [{"class": result.labels[one], "probability": float(probabilities[one])} for one in order],
        "scores": dialogue.scores[t].tolist(),
    }


def _message(values: Numbers, probabilities: Numbers) -> dict[str, Any]:
    if not np.isin(values, (0, 1)).all():
        return {"numbers": values.tolist()}
    return {"bits": "".join(str(int(bit)) for bit in values), "probabilities": probabilities.tolist()}


def as_text(result: ImageDialogue, as_letters: bool = False, leaders: int = LEADERS) -> str:
    """Return a dialogue as text: the image, each exchange, and the answer.

    A message is shown as a bar for each bit's probability, followed by the bits.
    """
    values = as_values(result)
    lines = [
        f"{result.image}: {values['experiment']}, run {values['run']}, seed {values['seed']}, step {values['step']}",
        _whether_known(result),
        "",
    ]
    for number, exchange in enumerate(values["exchanges"], 1):
        lines += _lines(number, exchange, as_letters, leaders)
    end = "stopped" if values["length"] < values["most"] or not result.dialogue.go_on[-1] else "broken off"
    lines += [
        "",
        f"{end} after {values['length']} of at most {values['most']} exchanges",
        f"answer: {values['answer']} ({values['probability']:.2f}), "
        f"among {len(result.labels)} classes{_verdict(result)}",
    ]
    return "\n".join(lines) + "\n"


def _whether_known(result: ImageDialogue) -> str:
    if result.known is None:
        return "none of the experiment's pictures"
    return f"the picture {result.known['key']} of the {result.known['part']} part, class {result.known['class']}"


def _verdict(result: ImageDialogue) -> str:
    if result.known is None:
        return ""
    if result.known["class"] not in result.labels:
        return f"; its class, {result.known['class']}, is none of them (--candidates all)"
    return (
        "; right" if as_values(result)["answer"] == result.known["class"] else f"; wrong: it is {result.known['class']}"
    )


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
