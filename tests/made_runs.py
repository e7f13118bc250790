"""Made-up run folders in the fixed formats, for tests of what reads them.

Nothing here uses Parley's code: rows are written one by one as the format's description says.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np


@dataclass
class Talk:
    """One dialogue: T exchanges; only the first `length` are active."""

    key: str
    target: int
    """Label id."""
    scores: list[list[float]]
    """[T][K]."""
    length: int
    wants_more: bool = False
    """Whether the last decision still says go on (it then ended for the limit)."""
    sender: list[list[float]] = field(default_factory=list)
    """[T][d]; all zero when not given."""
    sender_probs: list[list[float]] | None = None
    receiver_probs: list[list[float]] | None = None


def write_messages(
    path: Path,
    talks: Sequence[Talk],
    labels: Sequence[str],
    ids: Sequence[int] | None = None,
    *,
    run: str = "adaptive",
    seed: int = 0,
    part: str = "test",
    bits: int = 4,
    order: Sequence[int] | None = None,
    leave_out: Sequence[str] = (),
    continuous: bool = False,
) -> Path:
    """Write talks as messages.hdf5; `order` permutes the rows of both tables, `leave_out` drops attributes."""
    steps, count = len(talks[0].scores), len(labels)
    start = [("ExampleId", "S50"), ("AgentId", "S1"), ("Index", "i4"), ("Target", "i4"), ("Rank", "i4")]
    said = np.dtype([*start, ("BinaryProb", "f4", (bits,)), ("BinaryVec", "f4" if continuous else "i1", (bits,))])
    scored = [("Predictions", "f4", (count,)), ("StopProb", "f4"), ("StopVec", "i1"), ("StopMask", "i1")]
    guessed = np.dtype([*start, *scored])
    communication, predictions = [], []
    for talk in talks:
        sender = talk.sender or [[0] * bits for _ in range(steps)]
        sender_probs = talk.sender_probs or [[float(bit) for bit in message] for message in sender]
        receiver_probs = talk.receiver_probs or [[0.0] * bits for _ in range(steps)]
        for t in range(steps):
            begin = (talk.key.encode(), b"S", 2 * t, talk.target, 1)
            communication.append((*begin, sender_probs[t], sender[t]))
            begin = (talk.key.encode(), b"R", 2 * t + 1, talk.target, 1)
            receiver = receiver_probs[t] if continuous else [int(p >= 0.5) for p in receiver_probs[t]]
            communication.append((*begin, receiver_probs[t], receiver))
            on = t + 1 < talk.length or talk.wants_more
            predictions.append((*begin, talk.scores[t], 0.9 if on else 0.1, int(on), int(t < talk.length)))
    if order is not None:
        communication = [communication[row] for row in order if row < len(communication)]
        predictions = [predictions[row] for row in order if row < len(predictions)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["Communication"] = np.array(communication, dtype=said)
        file["Predictions"] = np.array(predictions, dtype=guessed)
        attributes = {
            "run": run,
            "seed": seed,
            "part": part,
            "labels": json.dumps(list(labels)),
            "candidate_ids": list(ids if ids is not None else range(count)),
            "message_bits": bits,
            "max_exchanges": steps,
        }
        for name, value in attributes.items():
            if name not in leave_out:
                file.attrs[name] = value
    return path


def evaluation_entry(n: int, candidates: int, k: int, **metrics: Any) -> dict[str, Any]:
    """One part's entry of evaluation.json; metrics by keyword, `top1` and `topk` for the accuracies."""
    k = min(k, candidates)
    return {
        "n": n,
        "candidates": candidates,
        "k": k,
        "accuracy@1": metrics.get("top1", 0.5),
        "chance@1": 1 / candidates,
        "accuracy@k": metrics.get("topk", 0.75),
        "chance@k": k / candidates,
        "nll": metrics.get("nll", 1.0),
        "length": metrics.get("length", 2.0),
        "length_original": metrics.get("length_original", 1.0),
    }


def write_evaluation(folder: Path, parts: dict[str, Any], run: str = "adaptive", seed: int = 0, k: int = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "evaluation.json"
    path.write_text(json.dumps({"run": run, "seed": seed, "k": k, "step": 400, "parts": parts}))
    return path


def write_log(folder: Path, curve: Sequence[tuple[int, float, float]], candidates: int = 4, k: int = 2) -> Path:
    """Write metrics.jsonl with a train and a dev line for each (step, accuracy@1, accuracy@k)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for step, top1, topk in curve:
        lines.append({"kind": "train", "step": step, "seconds": step / 100, "loss": 1.0})
        dev = {"kind": "dev", "step": step, "seconds": step / 100, "accuracy@1": top1, "accuracy@k": topk}
        dev |= {"nll": 1.0, "length": 2.0, "k": k, "chance@1": 1 / candidates, "chance@k": k / candidates}
        lines.append(dev)
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_selection(folder: Path, step: int) -> Path:
    path = folder / "selection.json"
    path.write_text(json.dumps({"rule": "accuracy@k", "chosen": {"step": step, "checkpoint": "x"}, "candidates": []}))
    return path


def write_flips(folder: Path, accuracies: dict[int, float | None], run: str = "adaptive", seed: int = 0) -> Path:
    """Write flips.json: accuracy@1 on the test split by number of flipped bits."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"intervention": "none", "value": None, "measures": {"accuracy@1": accuracies.get(0)}}]
    rows += [
        {"intervention": "flipped_bits", "value": count, "measures": {"accuracy@1": accuracy}}
        for count, accuracy in accuracies.items()
    ]
    path = folder / "flips.json"
    path.write_text(json.dumps({"run": run, "seed": seed, "parts": {"test": {"n": 24, "rows": rows}}}))
    return path


@dataclass
class Experiment:
    """Paths of a made-up experiment."""

    folder: Path
    labels: list[str]
    owners: list[tuple[str, int]]

    def files(self, name: str) -> list[Path]:
        return [self.folder / "runs" / run / str(seed) / name for run, seed in self.owners]


def make_experiment(
    folder: Path,
    *,
    labels: Sequence[str] = ("cat", "dog", "owl", "eel"),
    unseen: Sequence[str] = (),
    runs: Sequence[str] = ("adaptive",),
    seeds: Sequence[int] = (0, 1, 2),
    images: int = 6,
    steps: int = 3,
    bits: int = 4,
    k: int = 2,
    skill: float = 2.0,
) -> Experiment:
    """Write run folders of agents of a given skill: 0 guesses, 3 is mostly right; test and ood splits."""
    owners = [(run, seed) for run in runs for seed in seeds]
    for number, (run, seed) in enumerate(owners):
        rng = np.random.default_rng(number)
        own = folder / "runs" / run / str(seed)
        parts = {}
        for part, names, asked in _questions(list(labels), list(unseen)):
            talks = _talks(rng, names, asked, images, steps, bits, skill)
            name = "messages.hdf5" if part == "test" else f"messages.{part}.hdf5"
            write_messages(own / name, talks, names, run=run, seed=seed, part=part, bits=bits)
            parts[part] = evaluation_entry(len(talks), len(names), k, **_counts(talks, k))
        if unseen:
            parts["ood_alone"] = evaluation_entry(
                len(unseen) * images, len(unseen), k, top1=float(rng.uniform(0.2, 0.6)), topk=0.8
            )
        write_evaluation(own, parts, run, seed, k)
        gain = parts["test"]["accuracy@1"]
        curve = [
            (100 * (i + 1), gain * (1 - np.exp(-i / 2)), min(1, 1.4 * gain * (1 - np.exp(-i / 2)))) for i in range(8)
        ]
        write_log(own, [(s, float(a), float(b)) for s, a, b in curve], len(labels), k)
        write_selection(own, 800 if number % 2 else 700)
        write_flips(own, {count: gain * (1 - count / bits) for count in (0, 1, 2, bits) if count <= bits}, run, seed)
        (own / "config.json").write_text(
            json.dumps({"run": run, "seed": seed, "game": {"preset": "Adaptive"}, "training": {}})
        )
    return Experiment(folder, list(labels), owners)


def _questions(labels: list[str], unseen: list[str]) -> list[tuple[str, list[str], range]]:
    questions = [("test", labels, range(len(labels)))]
    if unseen:
        questions.append(("ood", labels + unseen, range(len(labels), len(labels) + len(unseen))))
    return questions


def _talks(
    rng: np.random.Generator, names: list[str], asked: range, images: int, steps: int, bits: int, skill: float
) -> list[Talk]:
    # Neighbouring classes share a code, so that there is something to confuse and to see in a projection.
    codes = (rng.random((len(names) // 2 + 1, bits)) < 0.5).astype(float)
    talks = []
    for target in asked:
        for image in range(images):
            ease = rng.normal(skill, 1)
            length = int(np.clip(round(steps * (0.75 - 0.12 * ease) + rng.normal(0, 0.6)), 1, steps))
            probs = np.clip(0.1 + 0.8 * codes[target // 2] + rng.normal(0, 0.25, (steps, bits)), 0.01, 0.99)
            scores = rng.normal(0, 1, (steps, len(names)))
            scores[:, target] += ease * np.linspace(0.3, 1.3, steps)
            scores[:, min(target ^ 1, len(names) - 1)] += 0.8
            talks.append(
                Talk(
                    key=f"{target:04d}{image:04d}".ljust(32, "a"),
                    target=target,
                    scores=scores.tolist(),
                    length=length,
                    sender=(probs >= 0.5).astype(int).tolist(),
                    sender_probs=probs.tolist(),
                    receiver_probs=rng.random((steps, bits)).tolist(),
                )
            )
    return talks


def _counts(talks: Sequence[Talk], k: int) -> dict[str, float]:
    """Count, conversation by conversation, what an evaluation would have found."""
    right = within = nll = 0.0
    for talk in talks:
        final = np.array(talk.scores[talk.length - 1], dtype=np.float32).tolist()
        place = sorted(final, reverse=True).index(final[talk.target])
        right += place == 0
        within += place < k
        nll += float(np.log(np.sum(np.exp(final))) - final[talk.target])
    lengths = [talk.length for talk in talks]
    return {
        "top1": right / len(talks),
        "topk": within / len(talks),
        "nll": nll / len(talks),
        "length": sum(lengths) / len(talks),
        "length_original": sum(length - 1 for length in lengths) / len(talks),
    }
