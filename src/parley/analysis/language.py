"""Compute language metrics for the messages of one run and seed, and write them to `language.json`."""

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
from parley.metrics.plugin_metrics import measure_plugins, plugin_metrics
from parley.metrics.registry import EXCHANGE_UNITS, UNITS
from parley.text.description_vectors import read_description_vectors
from parley.text.descriptions import read_descriptions


class LanguageInputs(NamedTuple):
    """Paths of the files with the properties of classes and images to which messages are compared."""

    descriptions: str | Path
    """Path of ``descriptions.csv``, the descriptions of the classes."""
    words: str | Path
    """Path of ``words.hdf5``, the vectors of words or descriptions."""
    parts: Mapping[str, str | Path] | None = None
    """Paths of the feature files by split; None if no metric uses the similarity of images."""
    attributes: str | Path | None = None
    """Path of ``attributes.tsv``; None if the classes have no attributes."""


def write_language(
    messages: Sequence[str | Path], inputs: LanguageInputs, ks: tuple[int, int], out: str | Path, seed: int = 0
) -> None:
    """Compute the language metrics of one run and seed on every split, and write `language.json`.

    Parameters
    ----------
    messages
        Paths of the message files, one per split.
    inputs
        Paths of the files with the properties of classes and images.
    ks
        Two values of k in accuracy@k: for splits of seen classes, and for splits of unseen classes.
    out
        Path of `language.json`.
    seed
        Seed of the permutations and the random samples.
    """
    described = read_descriptions(inputs.descriptions)
    rows = read_description_vectors(inputs.words, described).vectors
    vectors = {row.label_id: vector for row, vector in zip(described, rows, strict=True)}
    owner: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for path in messages:
        dialogues = read_conversations(path)
        k = ks[dialogues.part.removesuffix(ALONE) in UNSEEN_PARTS]
        parts[dialogues.part] = measure_language(dialogues, _semantics(dialogues, path, vectors, inputs), k, seed)
        measure_plugins(parts[dialogues.part], dialogues, seed)
        owner = {"run": dialogues.run, "seed": dialogues.seed}
        del dialogues  # Free the memory before the next file is read.
    units = UNITS | {metric.name: metric.unit for metric in plugin_metrics()}
    write_json(out, {**owner, "units": units, "exchange_units": EXCHANGE_UNITS, "parts": parts})


def _semantics(
    dialogues: Conversations, path: str | Path, vectors: Mapping[int, NDArray[np.float32]], inputs: LanguageInputs
) -> Semantics:
    """Return the description vectors, image features and attributes with which a file's messages are compared."""
    if strays := [label for label in dialogues.candidate_ids if label not in vectors]:
        raise ParleyError(
            f"{path} has candidates of label {', '.join(map(str, strays[:5]))}, which {inputs.descriptions} does not "
            "describe; remove both files and run Snakemake again."
        )
    codes = None
    if inputs.attributes is not None:
        codes = read_attributes(inputs.attributes).of(dialogues.labels)
    part = dialogues.part.removesuffix(ALONE)
    features = None
    if inputs.parts is not None:
        features = looks(inputs.parts[part], dialogues.keys)
    return Semantics(np.stack([vectors[label] for label in dialogues.candidate_ids]), features, codes)


def looks(path: str | Path, keys: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the features [N, F] from which the similarity of images is computed, or None.

    Parameters
    ----------
    path
        Path of the feature file of a split.
    keys
        Keys of the N images.

    Returns
    -------
    NDArray[np.float64] | None
        The pooled vectors if the file has them; otherwise the mean of the feature map over its cells; otherwise the
        logits. Features are standardised to mean 0 and standard deviation 1 over the split, and constant features are
        removed. None if the file has none of these layers, or if all features are constant.
    """
    roles = layer_shapes(path)
    role = next((role for role in ("pooled", "map", "logits") if role in roles), None)
    if role is None:
        return None
    found = read_features(path, role)
    values = found.features.reshape(*found.features.shape[:2], -1).mean(axis=2, dtype=np.float64)
    sd = values.std(axis=0)
    scaled = (values - values.mean(axis=0))[:, sd > 0] / sd[sd > 0]
    if found.keys == list(keys):  # Names may be repeated.
        return scaled if scaled.shape[1] else None
    row_of = {key: row for row, key in enumerate(found.keys)}
    if lost := [key for key in keys if key not in row_of]:
        raise ParleyError(
            f"{path} lacks image {lost[0]}, which has messages; run "
            "`uv run snakemake --cores 1 --forcerun extract_messages`."
        )
    return scaled[[row_of[key] for key in keys]] if scaled.shape[1] else None
