"""Image features from pretrained torchvision networks.

`parley.features.load(path)` returns a split's features as tensors and a pandas frame.
"""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    # Imported lazily: parsing the Snakefile imports this package and needs neither torch nor pandas, and stages
    # that do not load frames should not rerun when the code of `frames` changes.
    if name == "load":
        return importlib.import_module("parley.features.frames").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
