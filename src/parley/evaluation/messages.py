"""Write the messages of a trained run in the format of the original implementation (Evtimova et al., 2018).

The HDF5 file has two datasets with compound types: `Communication` for messages, `Predictions` for scores and stops.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from parley import __version__
from parley.core.errors import ParleyError
from parley.core.files import written_aside
from parley.evaluation.evaluate import EvalBatchSpec, EvalInputs, iter_rollouts
from parley.game.channel import CHANNELS
from parley.game.types import Dialogue
from parley.interaction.run import ranks
from parley.training.checkpoint import load_checkpoint

KEY_BYTES = 50
"""Width of the column `ExampleId` in bytes, as in the original implementation."""
ROW_START: list[Any] = [
    ("ExampleId", f"S{KEY_BYTES}"),
    ("AgentId", "S1"),
    ("Index", "<i4"),
    ("Target", "<i4"),
    ("Rank", "<i4"),
]
"""Name and type of the columns with which the rows of both tables start."""


def extract_messages(inputs: EvalInputs, outputs: Mapping[str, str]) -> None:
    """Write all messages and predictions of a run's selected checkpoint to one file for each evaluation set.

    `outputs` maps the names of the evaluation sets to paths.
    """
    checkpoint = load_checkpoint(inputs.checkpoint_path)
    for eval_set, spec, dialogues in iter_rollouts(checkpoint, inputs):
        about = {**inputs.about, "part": eval_set.name, "step": checkpoint.step}
        write_messages(outputs[eval_set.name], dialogues, spec, about, checkpoint.game.channel)
        del dialogues  # Free the memory before the next split's dialogues are run.


def write_messages(
    path: str | Path, dialogues: Dialogue, spec: EvalBatchSpec, about: Mapping[str, Any], channel: str
) -> None:
    """Write the dialogues about the N images of a split.

    Parameters
    ----------
    path
        Path of the HDF5 file to write.
    dialogues
        The dialogues, with all T exchanges.
    spec
        The images and the K candidates. The images' keys are written to the column ExampleId, the label ids of their
        classes to the column Target.
    about
        Further attributes to write to the file: experiment, run, seed, part, step.
    channel
        Name of the run's channel. If it is not discrete, BinaryVec contains the real-valued messages as float32.
    """
    exchanges, _, bits = dialogues.sender_bits.shape
    columns = _columns(dialogues, spec)
    communication = _communication(dialogues, columns, CHANNELS[channel].discrete)
    with written_aside(path) as aside, h5py.File(aside, "w", track_order=True) as file:
        file.create_dataset("Communication", data=communication, compression="gzip")
        file.create_dataset("Predictions", data=_predictions(dialogues, columns), compression="gzip")
        write_attributes(file, spec, about, {"max_exchanges": exchanges, "message_bits": bits})


def write_attributes(
    file: h5py.File, spec: EvalBatchSpec, about: Mapping[str, Any], sizes: Mapping[str, int] | None = None
) -> None:
    """Write a file's attributes: candidates, the array sizes `sizes`, Parley's version and the attributes `about`."""
    candidates = {"labels": json.dumps(spec.labels, ensure_ascii=False), "candidate_ids": spec.candidate_ids}
    for name, value in {**candidates, **(sizes or {}), "parley": __version__, **about}.items():
        file.attrs[name] = value


def as_bytes(keys: list[str]) -> np.ndarray:
    """Convert image keys to an array of bytes ``[N]``. A key longer than `KEY_BYTES` raises `ParleyError`."""
    if too_long := [key for key in keys if len(key.encode()) > KEY_BYTES]:
        raise ParleyError(f"The image key {too_long[0]!r} is longer than {KEY_BYTES} bytes; shorten the keys.")
    return np.asarray([key.encode() for key in keys], dtype=f"S{KEY_BYTES}")


def _columns(dialogues: Dialogue, spec: EvalBatchSpec) -> dict[str, np.ndarray]:
    """Return the columns that both tables contain, in shapes that can be broadcast to ``[N, T]``."""
    targets = np.asarray(spec.candidate_ids, dtype=np.int32)[spec.target_index.numpy()]
    by_exchange = [ranks(scores, spec.target_index) for scores in dialogues.scores]
    return {
        "ExampleId": as_bytes(spec.part.keys)[:, None],
        "Target": targets[:, None],
        "Rank": torch.stack(by_exchange, 1).numpy().astype(np.int32),
    }


def _communication(dialogues: Dialogue, columns: dict[str, np.ndarray], discrete: bool) -> np.ndarray:
    """Return the table of messages. Each exchange has a row with the Sender's message, then one with the Receiver's."""
    exchanges, count, bits = dialogues.sender_bits.shape
    kind = [*ROW_START, ("BinaryProb", "<f4", (bits,)), ("BinaryVec", "i1" if discrete else "<f4", (bits,))]
    table = np.zeros((count, exchanges, 2), dtype=kind)
    messages = [(dialogues.sender_probs, dialogues.sender_bits), (dialogues.receiver_probs, dialogues.receiver_bits)]
    for agent, (probs, vec) in enumerate(messages):
        rows = table[:, :, agent]
        _fill(rows, columns, b"SR"[agent : agent + 1], agent)
        rows["BinaryProb"] = probs.transpose(0, 1).numpy()
        rows["BinaryVec"] = vec.transpose(0, 1).numpy()
    return table.reshape(-1)


def _predictions(dialogues: Dialogue, columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return the table of predictions. It has one row per exchange, in the order of the Receiver's messages."""
    exchanges, count, candidates = dialogues.scores.shape
    kind = [*ROW_START, ("Predictions", "<f4", (candidates,))]
    kind += [("StopProb", "<f4"), ("StopVec", "i1"), ("StopMask", "i1")]
    table = np.zeros((count, exchanges), dtype=kind)
    _fill(table, columns, b"R", 1)
    table["Predictions"] = dialogues.scores.transpose(0, 1).numpy()
    table["StopProb"] = dialogues.go_on_probs.T.numpy()
    table["StopVec"] = dialogues.go_on.T.numpy()
    table["StopMask"] = dialogues.active.T.numpy()
    return table.reshape(-1)


def _fill(rows: np.ndarray, columns: dict[str, np.ndarray], agent: bytes, offset: int) -> None:
    """Fill the columns of `ROW_START`. Index is 2 · exchange + `offset`; the Sender's offset is 0, the Receiver's 1."""
    for name, column in columns.items():
        rows[name] = column
    rows["AgentId"] = agent
    rows["Index"] = 2 * np.arange(rows.shape[1]) + offset
