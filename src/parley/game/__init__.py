"""The game: Sender, Receiver, rollout of their dialogues, and losses.

This package works on plain tensors and does not need the workflow::

    from parley.game import Descriptions, GameSettings, Images, Receiver, Sender, exchange

    settings = GameSettings(message_bits=8, max_exchanges=5)
    sender = Sender(512, settings, seeds=[1, 2])
    receiver = Receiver(100, settings, seeds=[1, 2])
    dialogue = exchange(sender, receiver, Images(torch.randn(64, 512)), Descriptions(torch.randn(42, 100)))
    dialogue.sender_bits  # [2 seeds, 5 exchanges, 64 images, 8 bits]
"""

import importlib
from typing import Any

# Each name is imported on first use, so that code that only checks settings does not import torch.
_HOME = {
    "Agents": "agents",
    "BaseReceiver": "base",
    "BaseSender": "base",
    "Baseline": "agents",
    "Channel": "channel",
    "Descriptions": "types",
    "Dialogue": "types",
    "Draws": "types",
    "GameSettings": "settings",
    "Images": "types",
    "Message": "channel",
    "Receiver": "receiver",
    "ReceiverOutput": "base",
    "Sender": "sender",
    "SenderOutput": "base",
    "TrainingSettings": "settings",
    "exchange": "rollout",
    "make_agents": "agents",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first accessed."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
