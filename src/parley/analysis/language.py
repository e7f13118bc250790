"""Measure the messages of one run and seed as a language: language.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.files import write_json
from parley.dataset.attributes import read_attributes
from parley.features.storage import layer_shapes, read_features
from parley.interaction.eval_sets import ALONE, UNSEEN_PARTS
from parley.metrics.conversations import Conversations, read_conversations
from parley.metrics.language import Semantics, measure_language
from parley.metrics.registry import EXCHANGE_UNITS, UNITS
from parley.text.descriptions import read_descriptions
from parley.text.word_vectors import description_matrix, read_words


class LanguageInputs(NamedTuple):
    """Files with what messages are about."""

    descriptions: str | Path
    """``descriptions.csv``."""
    words: str | Path
    """``words.hdf5``."""
    parts: Mapping[str, str | Path] | None = None
    """Features by split, if similarity of images is to be measured."""
    attributes: str | Path | None = None
    """``attributes.tsv``, if there is one."""


def write_language(
    messages: Sequence[str | Path], inputs: LanguageInputs, ks: tuple[int, int], out: str | Path, seed: int = 0
) -> None:
    """Measure the messages of one run and seed on every split, and write `language.json`.

    Parameters
    ----------
    messages
        Files of messages, one per split.
    inputs
        What the messages are about.
    ks
        The k of accuracy@k with seen candidates, and with unseen candidates.
    out
        The file.
    seed
        Of permutations and samples.
    """
    vectors = description_matrix(read_descriptions(inputs.descriptions), read_words(inputs.words))
    owner: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for path in messages:
        dialogues = read_conversations(path)
        k = ks[dialogues.part.removesuffix(ALONE) in UNSEEN_PARTS]
        parts[dialogues.part] = measure_language(dialogues, _semantics(dialogues, path, vectors, inputs), k, seed)
        owner = {"run": dialogues.run, "seed": dialogues.seed}
        del dialogues  # before the next is read
    write_json(out, {**owner, "units": UNITS, "exchange_units": EXCHANGE_UNITS, "parts": parts})


def _semantics(
    dialogues: Conversations, path: str | Path, vectors: NDArray[np.float32], inputs: LanguageInputs
) -> Semantics:
    """Return what the dialogues of a file are about."""
    if strays := [label for label in dialogues.candidate_ids if not 0 <= label < len(vectors)]:
        raise ParleyError(
            f"{path} has candidates of label {', '.join(map(str, strays[:5]))}, which {inputs.descriptions} does not "
            "describe; make both again."
        )
    codes = None
    if inputs.attributes is not None:
        codes = read_attributes(inputs.attributes).of(dialogues.labels)
    part = dialogues.part.removesuffix(ALONE)
    features = None
    if inputs.parts is not None:
        features = looks(inputs.parts[part], dialogues.keys)
    return Semantics(vectors[list(dialogues.candidate_ids)], features, codes)


def looks(path: str | Path, keys: Sequence[str]) -> NDArray[np.float64] | None:
    """Return image features for measuring similarity [N, F].

    Parameters
    ----------
    path
        Features of a split.
    keys
        Keys of the N images.

    Returns
    -------
    NDArray[np.float64] | None
        The pooled vector, or else the mean over the cells of the feature map, or else the logits; each feature
        standardised to mean 0 and standard deviation 1 over the split. None if the split has none of them, or its
        images do not differ.
    """
    roles = layer_shapes(path)
    role = next((role for role in ("pooled", "map", "logits") if role in roles), None)
    if role is None:
        return None
    found = read_features(path, role)
    values = found.features.reshape(*found.features.shape[:2], -1).mean(axis=2, dtype=np.float64)
    sd = values.std(axis=0)
    scaled = (values - values.mean(axis=0))[:, sd > 0] / sd[sd > 0]
    row_of = {key: row for row, key in enumerate(found.keys)}
    if lost := [key for key in keys if key not in row_of]:
        raise ParleyError(f"{path} has no image {lost[0]}, which messages are about; make the messages again.")
    return scaled[[row_of[key] for key in keys]] if scaled.shape[1] else None
