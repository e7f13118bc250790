"""The game: two agents, the exchange between them, and what they learn from.

Works on plain tensors, in a notebook as in the workflow::

    from parley.game import Descriptions, GameSettings, Images, Receiver, Sender, exchange

    settings = GameSettings(message_bits=8, max_exchanges=5)
    sender = Sender(512, settings, seeds=[1, 2])
    receiver = Receiver(100, settings, seeds=[1, 2])
    said = exchange(sender, receiver, Images(torch.randn(64, 512)), Descriptions(torch.randn(42, 100)))
    said.sender_bits  # [2 seeds, 5 exchanges, 64 images, 8 bits]
"""

import importlib
from typing import Any

# Loaded when first used: whoever only checks settings need not wait for torch.
_HOME = {
    "Agents": "agents",
    "Descriptions": "types",
    "Dialogue": "types",
    "Draws": "types",
    "GameSettings": "settings",
    "Images": "types",
    "Receiver": "receiver",
    "Sender": "sender",
    "TrainingSettings": "settings",
    "exchange": "rollout",
    "make_agents": "agents",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Return one of the names that the game is used by."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
