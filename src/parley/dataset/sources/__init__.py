"""Where images come from: each kind of source lists the addresses of all classes, and says what is amiss."""

from parley.dataset.sources.base import Source, SourceOptions
from parley.dataset.sources.kinds import KINDS, open_source

__all__ = ["KINDS", "Source", "SourceOptions", "open_source"]
