"""The settings of finalising the splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from parley.core.errors import ParleyError

ON_SHORTAGE = ("fail", "accept", "drop_class")
NEAR_COPIES = ("ignore", "report", "remove")


@dataclass(frozen=True, slots=True)
class DedupOptions:
    """Which images a split may keep, and what to do if there are too few.

    Attributes
    ----------
    margin
        The fraction of images fetched beyond each count.
    on_shortage
        What to do with a split that has fewer images than its count: `fail`; `accept`, log a warning and keep the
        split unless it is empty; `drop_class`, leave its class out.
    placeholder_repeats
        Bytes that more URLs than this return, over all classes, are a placeholder.
    near_copies
        What to do with near duplicates in different splits: `ignore`, `report` or `remove`.
    near_copy_bits
        The maximal Hamming distance of the perceptual hashes of near duplicates, in bits.
    evaluation
        The `k` and `k_unseen` of accuracy@k, checked against the remaining classes; empty skips the check.
    """

    margin: float
    on_shortage: str = "fail"
    placeholder_repeats: int = 5
    near_copies: str = "ignore"
    near_copy_bits: int = 4
    evaluation: Mapping[str, int | None] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `ParleyError` if a value is not one of the allowed ones."""
        for name, value, known in (
            ("on_shortage", self.on_shortage, ON_SHORTAGE),
            ("near_copies", self.near_copies, NEAR_COPIES),
        ):
            if value not in known:
                raise ParleyError(f"{name} is {value!r}; it must be one of {', '.join(known)}.")
