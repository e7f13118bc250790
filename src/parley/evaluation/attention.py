"""What agents attended to: the weights of an image's cells, and of each description's words, at every exchange.

Letters of shapes: N images, T exchanges, L cells, D candidates, W words of the longest description.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from parley import __version__
from parley.core.errors import ParleyError
from parley.core.files import written_aside
from parley.evaluation.evaluate import EvalBatchSpec, iter_eval_sets
from parley.evaluation.messages import as_bytes
from parley.game.rollout import prepare, rollout_steps
from parley.game.types import Descriptions
from parley.interaction.run import Batch, batches
from parley.interaction.split_data import Maps
from parley.text.descriptions import read_descriptions
from parley.text.tokenize import description_words
from parley.training.checkpoint import Checkpoint, load_checkpoint


class Weights(NamedTuple):
    """What was attended to in dialogues about B images; None where there is no such attention."""

    rows: Tensor
    """``[B]`` int64: which of the part's images, rising."""
    sender: Tensor | None
    """``[B, T, L]``: of the image's cells."""
    receiver: Tensor | None
    """``[B, T, D, W]``: of each description's words."""


def extract_attention(
    checkpoint_path: str | Path,
    parts: Mapping[str, str],
    descriptions: str,
    words: str,
    about: Mapping[str, Any],
    outputs: Mapping[str, str],
    most: int | None = None,
) -> None:
    """Play a run's chosen checkpoint on every part and write down what the agents attended to.

    Parameters
    ----------
    checkpoint_path
        ``best.pt``.
    parts
        Paths of the parts.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    about
        Attributes of the files: experiment, run, seed.
    outputs
        The file of each question.
    most
        Most images of a part that are talked about, by lot; None for all.

    Raises
    ------
    ParleyError
        When its agents attend to nothing.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    require_attention(checkpoint, checkpoint_path)
    for question, spec in iter_eval_sets(checkpoint, parts, descriptions, words, most):
        write_attention(
            outputs[question.name],
            checkpoint,
            spec,
            descriptions,
            {**about, "part": question.name, "step": checkpoint.step},
        )


def require_attention(checkpoint: Checkpoint, checkpoint_path: str | Path) -> None:
    """Raise `ParleyError` where neither agent of a checkpoint attends to anything."""
    if not checkpoint.game.attends:
        raise ParleyError(
            f"{checkpoint_path} attends to nothing: its game.preset is {checkpoint.game.preset} and "
            "game.description_attention is false; leave the attention out, or name a run with either."
        )


def write_attention(
    path: str | Path, checkpoint: Checkpoint, spec: EvalBatchSpec, descriptions: str | Path, about: Mapping[str, Any]
) -> None:
    """Play a checkpoint on a part and write what its agents attended to, batch by batch.

    Parameters
    ----------
    path
        The file to make.
    checkpoint
        The checkpoint; at least one agent attends.
    asked
        The part, and the candidates.
    descriptions
        Path of the ``descriptions.csv`` that was read.
    about
        Further attributes of the file: run, seed, part, step.
    """
    keys = as_bytes(spec.part.keys)
    with written_aside(path) as aside, h5py.File(aside, "w", track_order=True) as file:
        file["Key"] = keys
        file["Target"] = spec.part.targets.numpy()
        for weights in attended(checkpoint, spec):
            _write(file, "Sender", len(keys), weights.rows, weights.sender, np.float32)
            # There are many more of these; half precision keeps three digits of each.
            _write(file, "Receiver", len(keys), weights.rows, weights.receiver, np.float16)
        if isinstance(spec.part.images, Maps):
            file["Sender"].attrs["height"], file["Sender"].attrs["width"] = spec.part.images.rows.shape[2:]
        if "Receiver" in file:
            file["Words"] = word_table(descriptions, spec.candidate_ids, file["Receiver"].shape[-1])
        told = {"labels": json.dumps(spec.labels, ensure_ascii=False), "candidate_ids": spec.candidate_ids}
        for name, value in {**told, "parley": __version__, **about}.items():
            file.attrs[name] = value


def attended(checkpoint: Checkpoint, spec: EvalBatchSpec) -> Iterator[Weights]:
    """Yield what a checkpoint's agents attend to in all T exchanges, batch by batch, as `evaluation.play` has them."""
    agents, game = checkpoint.agents, checkpoint.game
    images, size = checkpoint.standardizer.apply(spec.part.images), checkpoint.training.dev_batch_size
    for batch in batches(agents, images, len(spec.places), game, size):
        yield _attended(checkpoint, spec.descriptions, batch)


@torch.no_grad()
def _attended(checkpoint: Checkpoint, descriptions: Descriptions, batch: Batch) -> Weights:
    sender, receiver = checkpoint.agents.sender, checkpoint.agents.receiver
    seen, known = prepare(sender, receiver, batch.images, descriptions)
    turns = rollout_steps(sender, receiver, seen, known, batch.draws, training=False)
    # Turns hold much more; what is not kept is let go of, one after the other.
    looks, readings = zip(*((turn.look.weights, turn.reading.weights) for turn in turns), strict=True)
    rows, order = batch.rows.sort()
    return Weights(rows, _stacked(looks, order), _stacked(readings, order))


def _stacked(weights: Sequence[Tensor | None], order: Tensor) -> Tensor | None:
    """Return the weights of exchanges, ``[1, B, ...]`` each, as ``[B, T, ...]``, images in the given order."""
    there = [each[0].cpu() for each in weights if each is not None]
    return torch.stack(there, 1)[order] if there else None


def _write(file: h5py.File, name: str, count: int, rows: Tensor, weights: Tensor | None, kind: type) -> None:
    """Write the weights of some images, a chunk an image, into a dataset that the first of them makes."""
    if weights is None:
        return
    if name not in file:
        shape = tuple(weights.shape[1:])
        file.create_dataset(name, (count, *shape), kind, chunks=(1, *shape), compression="gzip")
    file[name][rows.numpy()] = weights.numpy().astype(kind)


def word_table(descriptions: str | Path, candidate_ids: Sequence[int], width: int) -> np.ndarray:
    """Return the words of each candidate's description ``[D, W]``, in the order of their weights; empty where none."""
    texts = {row.label_id: row.text for row in read_descriptions(descriptions)}
    table = np.full((len(candidate_ids), width), "", dtype=h5py.string_dtype("utf-8"))
    for place, label in enumerate(candidate_ids):
        words = description_words(texts[label])
        table[place, : len(words)] = words
    return table
