"""Images as numbers: what a network trained on ImageNet makes of them.

`parley.features.load(path)` gives a part's features as tensors and a pandas frame.
"""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    # By name, when asked for: a Snakefile's parse imports this package and needs neither torch nor
    # pandas, and no stage that does not load frames should rerun when their code changes.
    if name == "load":
        return importlib.import_module("parley.features.frames").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
