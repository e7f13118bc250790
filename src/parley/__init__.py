"""Parley: emergent communication in a multi-modal, multi-step referential game."""

__version__ = "0.1.0"
