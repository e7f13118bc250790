"""The settings of settling."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from parley.core.errors import ParleyError

ON_SHORTAGE = ("fail", "accept", "drop_class")
NEAR_COPIES = ("ignore", "report", "remove")


@dataclass(frozen=True, slots=True)
class DedupOptions:
    """What is an image that a part may keep, and what to do where there are too few.

    Attributes
    ----------
    margin
        The fraction that was fetched beyond each count.
    on_shortage
        What a part with fewer images than its count means: `fail`; `accept`, the part is told and kept
        unless it has none at all; `drop_class`, its class is left out.
    placeholder_repeats
        Bytes that come under more URLs than this, over all classes, are no image.
    near_copies
        Images of different parts that look the same: `ignore` them, `report` them, or `remove` them.
    near_copy_bits
        The most bits in which the perceptual hashes of such images differ.
    evaluation
        The `k` and `k_unseen` of accuracy@k, to be checked against the classes that are left; empty for no check.
    """

    margin: float
    on_shortage: str = "fail"
    placeholder_repeats: int = 5
    near_copies: str = "ignore"
    near_copy_bits: int = 4
    evaluation: Mapping[str, int | None] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `ParleyError` where a value is none of those there are."""
        for name, value, known in (
            ("on_shortage", self.on_shortage, ON_SHORTAGE),
            ("near_copies", self.near_copies, NEAR_COPIES),
        ):
            if value not in known:
                raise ParleyError(f"{name} is {value!r}; it must be one of {', '.join(known)}.")
