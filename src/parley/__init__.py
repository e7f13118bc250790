"""Parley: emergent communication in a multi-modal, multi-step referential game.

Load an experiment's results as tables::

    import parley

    found = parley.load("results/world")
    found.metrics, found.messages(part="test")
"""

import importlib
from typing import Any

__version__ = "0.1.0"
# Imported on first use, so that the stages of the workflow, which do not need pandas, do not wait for it.
_HOME = {"load": "analysis.load"}


def __getattr__(name: str) -> Any:
    """Import a public name of the package when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
