"""Read messages.hdf5: the recorded dialogues of one run on one split.

Shapes: N dialogues, T exchanges, d bits per message, K candidate classes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import Findings, ParleyError
from parley.core.failures import raise_if_failed
from parley.core.hdf5 import opened, stored

FIELDS = {
    "Communication": ("ExampleId", "AgentId", "Index", "Target", "BinaryProb", "BinaryVec"),
    "Predictions": (
        "ExampleId",
        "AgentId",
        "Index",
        "Target",
        "Predictions",
        "StopProb",
        "StopVec",
        "StopMask",
    ),
}
"""Columns that are read from each table. `Rank` is not read, because the original implementation (Evtimova et al.,
2018) stores another quantity there; the rank is computed from the scores."""
ATTRIBUTES = ("run", "seed", "part", "labels", "candidate_ids", "message_bits", "max_exchanges")

Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Conversations:
    """Recorded dialogues of one run on one split, ordered as they first occur in the file.

    Attributes
    ----------
    run, seed, part
        Name of the run, the seed, and name of the split.
    keys
        ``[N]``: key of each dialogue's image.
    labels, candidate_ids
        ``[K]``: name and label id of each candidate class.
    targets
        ``[N]``: index of the true class among the candidates.
    sender_messages, receiver_messages
        ``[N, T, d]``: bits as integers 0 and 1, or real numbers if messages are continuous.
    sender_values, receiver_values
        ``[N, T, d]``: probability that each bit is 1; for continuous messages, the message itself.
    scores
        ``[N, T, K]``: scores of the candidates before the softmax; higher is better.
    go_on_probabilities, go_on
        ``[N, T]``: the Receiver's probability of continuing the dialogue, and its decision (true = continue).
    talking
        ``[N, T]``: whether the dialogue is active when exchange t begins. Exchanges after the stop are recorded too, as
        if the dialogue had not stopped.
    """

    run: str
    seed: int
    part: str
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    candidate_ids: tuple[int, ...]
    targets: NDArray[np.int64]
    sender_messages: NDArray[np.int8] | Floats32
    sender_values: Floats32
    receiver_messages: NDArray[np.int8] | Floats32
    receiver_values: Floats32
    scores: Floats32
    go_on_probabilities: Floats32
    go_on: NDArray[np.bool_]
    talking: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``[N]``: number of exchanges of each dialogue."""
        return np.asarray(self.talking.sum(axis=-1), dtype=np.int64)

    @property
    def finite(self) -> bool:
        """Whether all scores, messages and probabilities are finite numbers. If not, the run has diverged."""
        recorded = (self.scores, self.sender_values, self.receiver_values, self.go_on_probabilities)
        return all(np.isfinite(values).all() for values in recorded)

    @property
    def binary(self) -> bool:
        """Whether messages consist of bits; if false, they consist of real numbers."""
        return self.sender_messages.dtype.kind == "i"

    def at_stop(self, values: NDArray[Any]) -> NDArray[Any]:
        """Select the values at the last exchange of each dialogue: ``[N, T, ...]`` → ``[N, ...]``."""
        return values[np.arange(len(self.keys)), self.lengths - 1]

    @property
    def final_scores(self) -> Floats32:
        """Return the scores at the last exchange, ``[N, K]``. They determine the answer."""
        return self.at_stop(self.scores)

    def mean_while_active(self, values: NDArray[np.floating]) -> list[float | None]:
        """Average values ``[N, T]`` over the active dialogues of each exchange; None for exchanges without any."""
        counts, sums = self.talking.sum(axis=0), (values * self.talking).sum(axis=0)
        return [float(total / n) if n else None for total, n in zip(sums, counts, strict=True)]

    @property
    def final_messages(self) -> NDArray[np.float64]:
        """Return the Sender's messages at the last exchange, ``[N, d]``: bits or continuous numbers."""
        return self.at_stop(self.sender_messages).astype(np.float64)


def read_conversations(path: str | Path) -> Conversations:
    """Read a file of recorded dialogues and check that it is complete and consistent.

    Rows are matched by ExampleId and Index, not by position.

    Raises
    ------
    ParleyError
        If the file cannot be read, lacks a table, column or attribute, or is inconsistent: an exchange is missing or
        repeated, a target is not a candidate, or a dialogue continues after it stopped. `FailedRunError` if the file
        only records that the run failed.
    """
    raise_if_failed(path)
    sent, predicted, attributes = _read_tables(Path(path))
    findings = Findings()
    labels, ids = _candidates(attributes, findings)
    seed, bits, steps = (_integer(attributes, name, findings) for name in ("seed", "message_bits", "max_exchanges"))
    _raise(findings, path)
    if not 1 <= steps <= max(1, len(predicted)):  # With a wrong value, the lists below could exhaust memory.
        findings.add(f"the attribute max_exchanges is {steps}, but Predictions has {len(predicted)} rows")
        _raise(findings, path)
    _check_widths(sent, predicted, len(labels), bits, findings)
    speakers = [(b"S", b"R")[turn % 2] for turn in range(2 * steps)]
    turns = _grid(sent, speakers, range(2 * steps), "Communication", findings)
    answers = _grid(predicted, [b"R"] * steps, range(1, 2 * steps, 2), "Predictions", findings)
    _raise(findings, path)
    if not np.array_equal(turns["ExampleId"][:, 0], answers["ExampleId"][:, 0]):
        findings.add("the tables Communication and Predictions are about different images")
    _raise(findings, path)
    targets = _targets(turns["Target"], answers["Target"], ids, findings)
    _check_values(turns, answers, findings)
    _raise(findings, path)
    messages = turns["BinaryVec"]
    messages = messages.astype(np.int8) if _are_bits(messages) else messages.astype(np.float32)
    return Conversations(
        run=_text(attributes["run"]),
        seed=seed,
        part=_text(attributes["part"]),
        keys=tuple(key.decode("utf-8", "replace") for key in turns["ExampleId"][:, 0]),
        labels=labels,
        candidate_ids=ids,
        targets=targets,
        sender_messages=messages[:, 0::2],
        sender_values=turns["BinaryProb"][:, 0::2],
        receiver_messages=messages[:, 1::2],
        receiver_values=turns["BinaryProb"][:, 1::2],
        scores=answers["Predictions"],
        go_on_probabilities=answers["StopProb"],
        go_on=answers["StopVec"].astype(bool),
        talking=answers["StopMask"].astype(bool),
    )


def _read_tables(path: Path) -> tuple[NDArray[Any], NDArray[Any], dict[str, Any]]:
    """Return the tables Communication and Predictions and the attributes, after checking that none is incomplete."""
    findings = Findings()
    with opened(path, "file of messages") as file:
        for name in ATTRIBUTES:
            if name not in file.attrs:
                findings.add(f"it lacks the attribute {name}")
        for table, fields in FIELDS.items():
            names = (file[table].dtype.names or ()) if isinstance(file.get(table), h5py.Dataset) else ()
            missing = [field for field in fields if field not in names]
            if missing:
                findings.add(f"the table {table} lacks {', '.join(missing)}")
        _raise(findings, path)
        sent, predicted = (stored(file, table, path)[:] for table in FIELDS)
        return sent, predicted, {name: file.attrs[name] for name in ATTRIBUTES}


def _raise(findings: Findings, path: str | Path) -> None:
    """Raise one error that lists all findings, names the file and states the remedy; do nothing without findings."""
    if findings.sentences:
        raise ParleyError(
            f"{path} is not a complete file of messages: {sentence}; remove it and run "
            "`uv run snakemake --cores 1 messages`."
            for sentence in findings.sentences
        )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _integer(attributes: dict[str, Any], name: str, findings: Findings) -> int:
    value = np.asarray(attributes[name])
    if value.shape == () and value.dtype.kind in "iu":
        return int(value)
    findings.add(f"the attribute {name} is not an integer")
    return 0


def _candidates(attributes: dict[str, Any], findings: Findings) -> tuple[tuple[str, ...], tuple[int, ...]]:
    try:
        labels = json.loads(attributes["labels"])
        # The ids may be an array attribute or JSON text.
        ids = attributes["candidate_ids"]
        ids = json.loads(ids) if isinstance(ids, (str, bytes)) else np.asarray(ids).tolist()
    except (ValueError, TypeError, RecursionError) as error:
        findings.add(f"the attribute `labels` or `candidate_ids` is not valid JSON ({error})")
        return (), ()
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels) or not labels:
        findings.add("the attribute labels is not a list of class names")
        return (), ()
    if not isinstance(ids, list) or len(ids) != len(labels) or len(set(ids)) != len(ids):
        findings.add(f"the attribute candidate_ids does not contain {len(labels)} different label ids, one per label")
        return tuple(labels), ()
    return tuple(labels), tuple(int(number) for number in ids)


def _check_widths(sent: NDArray[Any], predicted: NDArray[Any], candidates: int, bits: int, findings: Findings) -> None:
    for table, field, width, of in (
        (sent, "BinaryVec", bits, "message_bits"),
        (sent, "BinaryProb", bits, "message_bits"),
        (predicted, "Predictions", candidates, "labels"),
    ):
        if table.dtype[field].shape != (width,):
            findings.add(f"{field} has the shape {table.dtype[field].shape}, but the attribute {of} requires {width}")


def _grid(table: NDArray[Any], agents: list[bytes], indices: range, name: str, findings: Findings) -> NDArray[Any]:
    """Arrange a table with one row per dialogue, in order of first occurrence, and one column per value of Index."""
    keys, first, conversation = np.unique(table["ExampleId"], return_index=True, return_inverse=True)
    order = np.lexsort((table["Index"], conversation))
    turns = len(indices)
    if len(order) == 0 or len(order) != len(keys) * turns:
        findings.add(f"{name} has {len(order)} rows for {len(keys)} images; each image needs {turns}")
        return np.empty((0, turns), table.dtype)
    rows = order.reshape(len(keys), turns)
    if not (table["ExampleId"][rows] == keys[:, None]).all() or not (table["Index"][rows] == indices).all():
        findings.add(f"in {name}, an image lacks an exchange or has one twice")
    if not (table["AgentId"][rows] == np.array(agents)).all():
        findings.add(f"in {name}, AgentId does not match Index (it must be S where Index is even, R where it is odd)")
    rows = rows[np.argsort(first)]
    # The rows of files written by Parley are already in this order, and copying them would double the memory needed.
    in_order = np.array_equal(rows.ravel(), np.arange(len(table)))
    return table.reshape(rows.shape) if in_order else np.asarray(table[rows])


def _targets(
    sent: NDArray[Any], predicted: NDArray[Any], ids: tuple[int, ...], findings: Findings
) -> NDArray[np.int64]:
    targets = sent[:, 0]
    if not ((sent == targets[:, None]).all() and (predicted == targets[:, None]).all()):
        findings.add("the rows of an image have more than one Target")
    unknown = sorted(set(targets.tolist()) - set(ids))
    if unknown:
        findings.add(f"Target {', '.join(map(str, unknown[:5]))} is not among candidate_ids")
    column = {number: column for column, number in enumerate(ids)}
    return np.array([column.get(int(target), 0) for target in targets], dtype=np.int64)


def _check_values(turns: NDArray[Any], answers: NDArray[Any], findings: Findings) -> None:
    messages = turns["BinaryVec"]
    # Continuous messages are in both BinaryVec and BinaryProb. NaN, from a diverged run, counts as equal to NaN.
    continuous = messages.dtype.kind == "f" and np.array_equal(messages, turns["BinaryProb"], equal_nan=True)
    if not continuous and not _are_bits(messages):
        findings.add("each value of BinaryVec must be 0, 1 or equal to the corresponding value of BinaryProb")
    for table, name in ((answers, "StopProb"), *([] if continuous else [(turns, "BinaryProb")])):
        if ((table[name] < 0) | (table[name] > 1)).any():  # NaN, from a diverged run, is neither.
            findings.add(f"{name} has values that are not probabilities")
    for name in ("StopVec", "StopMask"):
        if not _are_bits(answers[name]):
            findings.add(f"{name} has values other than 0 and 1")
    mask = answers["StopMask"]
    if not (mask[:, 0] == 1).all():
        findings.add("StopMask is not 1 at the first exchange of each image")
    if (np.diff(mask.astype(np.int64), axis=1) > 0).any():
        findings.add("StopMask is 1 again (dialogue going on) after a 0 (dialogue over)")


def _are_bits(values: NDArray[Any]) -> bool:
    return bool(np.isin(values, (0, 1)).all())
