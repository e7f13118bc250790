"""Load a split's features for notebooks: tensors, and a pandas frame that describes the rows."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from parley.features.storage import layer_shapes, read_features


class Loaded(NamedTuple):
    """Content of an HDF5 file of features."""

    tensors: dict[str, Tensor]
    """By role (``pooled``, ``map``, ``logits``): float32, ``[N, C]`` or ``[N, C, h, w]``."""
    frame: pd.DataFrame
    """N rows in the tensors' order: key, target (label id), label and location."""


def load(path: str | Path) -> Loaded:
    """Load a file of features.

    Parameters
    ----------
    path
        ``results/<e>/<part>.hdf5``, or a file of the 2017 code.

    Raises
    ------
    ParleyError
        If the file is missing, truncated or of another kind.
    """
    rows = {role: read_features(path, role) for role in layer_shapes(path)}
    first = next(iter(rows.values()))
    labels = [first.labels[target] if target < len(first.labels) else "" for target in first.targets]
    frame = pd.DataFrame(
        {"key": list(first.keys), "target": first.targets, "label": labels, "location": list(first.locations)}
    )
    return Loaded({role: torch.from_numpy(row.features) for role, row in rows.items()}, frame)
