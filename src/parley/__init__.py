"""Parley: emergent communication in a multi-modal, multi-step referential game.

What an experiment found, as tables::

    import parley

    found = parley.load("results/world")
    found.metrics, found.messages(part="test")
"""

import importlib
from typing import Any

__version__ = "0.1.0"
# Loaded when first used: no stage of the workflow needs it, nor waits for pandas.
_HOME = {"load": "analysis.load"}


def __getattr__(name: str) -> Any:
    """Return one of the names that the package is used by."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
