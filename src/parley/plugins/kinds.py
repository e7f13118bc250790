"""The kinds of parts that plug-ins can register, and what a part of each kind must look like."""

from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """What a part of one kind must be: a function with certain parameters, or a subclass of a base class."""

    parameters: tuple[tuple[str, ...], ...] = ()
    """For a function: its parameters before those of its options, one of several possibilities."""
    base: str = ""
    """For a class: its base class, as a dotted name. Its methods and their parameters are read from its source."""
    details: Mapping[str, type] | None = None
    """Keyword arguments of the decorator that describe the part, and their types; None if they are its options."""


METRIC_DETAILS = {
    "unit": str,
    "label": str,
    "description": str,
    "less_is_better": bool,
    "report_row": int,
}
KINDS: Mapping[str, Kind] = {
    "metric": Kind(parameters=(("conversations", "generator"),), details=METRIC_DETAILS),
    "figure": Kind(parameters=(("part",), ("results",)), details={"title": str, "caption": str}),
    "image_source": Kind(base="parley.dataset.sources.base.Source"),
    "channel": Kind(base="parley.game.channel.Channel"),
    "baseline": Kind(base="parley.game.agents.Baseline"),
    "sender": Kind(base="parley.game.base.BaseSender"),
    "receiver": Kind(base="parley.game.base.BaseReceiver"),
    "reward": Kind(parameters=(("scores", "log_likelihood", "targets"),)),
    "augmentation": Kind(parameters=(("features", "states"),)),
}
"""What parts of each kind must be. A kind's name is that of its decorator in `parley.plugins`."""
GAME_SETTINGS = {
    "channel": "game.channel",
    "baseline": "game.baseline",
    "sender": "game.sender",
    "receiver": "game.receiver",
    "reward": "game.reward",
    "augmentation": "training.augmentations",
}
"""Kinds of parts that a run names → the setting that does."""
EXAMPLES = "docs/extending.md"
"""Page with an example of each kind."""
