"""Record attention weights at every exchange: the Sender's over image cells, the Receiver's over description words.

Shapes: N images, B images of a batch, T exchanges, L cells, D candidates, W words of the longest description.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.core.files import written_aside
from parley.evaluation.evaluate import EvalBatchSpec, EvalInputs, iter_eval_sets, rollout_inputs
from parley.evaluation.messages import as_bytes, write_attributes
from parley.game.rollout import RolloutState, encode
from parley.game.types import Descriptions
from parley.interaction.run import Batch, batches
from parley.interaction.split_data import Maps
from parley.text.description_vectors import read_tokens
from parley.text.descriptions import read_descriptions
from parley.training.checkpoint import Checkpoint, load_checkpoint


def extract_attention(inputs: EvalInputs, outputs: Mapping[str, str]) -> None:
    """Write the attention weights of a run's selected checkpoint to one file for each evaluation set.

    `outputs` maps the names of the evaluation sets to paths.

    Raises
    ------
    ParleyError
        If neither agent has attention.
    """
    checkpoint = load_checkpoint(inputs.checkpoint_path)
    require_attention(checkpoint, inputs.checkpoint_path)
    for eval_set, spec in iter_eval_sets(checkpoint, inputs):
        about = {**inputs.about, "part": eval_set.name, "step": checkpoint.step}
        write_attention(outputs[eval_set.name], checkpoint, spec, inputs.descriptions, inputs.words, about)


def require_attention(checkpoint: Checkpoint, checkpoint_path: str | Path) -> None:
    """Raise `ParleyError` if neither agent of a checkpoint has attention."""
    if not checkpoint.game.attends:
        raise ParleyError(
            f"{checkpoint_path} has no attention: its game.preset is {checkpoint.game.preset} and "
            "game.description_attention is false; omit `--attention`, or choose a run with attention."
        )


def write_attention(
    path: str | Path,
    checkpoint: Checkpoint,
    spec: EvalBatchSpec,
    descriptions: str | Path,
    words: str | Path,
    about: Mapping[str, Any],
) -> None:
    """Run a checkpoint's dialogues about the images of a split and write the agents' attention weights.

    Parameters
    ----------
    path
        Path of the HDF5 file to write.
    checkpoint
        The checkpoint. At least one of its agents has attention.
    spec
        The images and the candidates.
    descriptions, words
        Paths of the ``descriptions.csv`` that contains the candidates' descriptions, and of ``words.hdf5``.
    about
        Further attributes to write to the file: experiment, run, seed, part, step.
    """
    keys = as_bytes(spec.part.keys)
    with written_aside(path) as aside, h5py.File(aside, "w", track_order=True) as file:
        file["Key"] = keys
        file["Target"] = spec.part.targets.numpy()
        for batch in batches(rollout_inputs(checkpoint, spec)):
            rows, order = batch.rows.sort()
            cells, of_words = _weights(checkpoint, spec.descriptions, batch)
            _write(file, "Sender", rows, _stacked(cells, order), np.float32)
            # This is the largest array in the file, so it is stored in half precision: three significant digits.
            _write(file, "Receiver", rows, _stacked(of_words, order), np.float16)
        if "Sender" not in file and "Receiver" not in file:
            raise ParleyError(
                f"The Sender {checkpoint.game.sender!r} and the Receiver {checkpoint.game.receiver!r} return no "
                "attention weights; return them in `SenderOutput.attention` or `ReceiverOutput.attention`, or omit "
                "`evaluation.keep_attention` and `--attention`."
            )
        if "Sender" in file and isinstance(spec.part.images, Maps):
            file["Sender"].attrs["height"], file["Sender"].attrs["width"] = spec.part.images.rows.shape[2:]
        if "Receiver" in file:
            described = {entry.label_id: entry for entry in read_descriptions(descriptions)}
            tokens = read_tokens(words, [described[label] for label in spec.candidate_ids])
            file["Words"] = word_table(tokens, file["Receiver"].shape[-1])
        write_attributes(file, spec, about)


@torch.no_grad()
def _weights(
    checkpoint: Checkpoint, descriptions: Descriptions, batch: Batch
) -> tuple[Sequence[Tensor | None], Sequence[Tensor | None]]:
    """Return the attention weights at each exchange: over cells ``[1, B, L]`` and over words ``[1, B, D, W]``.

    The weights of an agent without attention are None.
    """
    sender, receiver = checkpoint.agents.sender, checkpoint.agents.receiver
    encoded, candidates = encode(sender, receiver, batch.images, descriptions)
    steps = RolloutState(sender, receiver, encoded, candidates, batch.draws, training=False).steps()
    # The state of an exchange has many other tensors. Looping over the generator frees those of the previous exchange.
    cells, words = zip(*((step.view.weights, step.attended.weights) for step in steps), strict=True)
    return cells, words


def _stacked(weights: Sequence[Tensor | None], order: Tensor) -> Tensor | None:
    """Stack the weights of T exchanges, ``[1, B, ...]`` each, to ``[B, T, ...]``, and reorder the images by `order`."""
    there = [each[0].cpu() for each in weights if each is not None]
    return torch.stack(there, 1)[order] if there else None


def _write(file: h5py.File, name: str, rows: Tensor, weights: Tensor | None, kind: type) -> None:
    """Write weights to the given rows of a dataset, one chunk per image; in the first call, create the dataset."""
    if weights is None:
        return
    if name not in file:
        shape = tuple(weights.shape[1:])
        file.create_dataset(name, (len(file["Key"]), *shape), kind, chunks=(1, *shape), compression="gzip")
    file[name][rows.numpy()] = weights.numpy().astype(kind)


def word_table(words: Sequence[Sequence[str]], width: int) -> np.ndarray:
    """Return the words or tokens of each description, padded with empty strings, ``[D, W]``; W is `width`."""
    table = np.full((len(words), width), "", dtype=h5py.string_dtype("utf-8"))
    for row, own in enumerate(words):
        table[row, : len(own)] = own
    return table
