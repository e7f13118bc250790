"""Parts of one's own: a Python file that the config names under `plugins` registers them by these decorators.

Each decorator is called with the name that the config gives the part, and, for parts with options, with the options'
default values. Names and default values must be literals, because they are read without running the file.
"""

from parley.plugins.registry import (
    augmentation,
    baseline,
    channel,
    figure,
    image_source,
    metric,
    receiver,
    reward,
    sender,
)

__all__ = ["augmentation", "baseline", "channel", "figure", "image_source", "metric", "receiver", "reward", "sender"]
