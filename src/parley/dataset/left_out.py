"""Count the files or lines that a source skips, by reason, with examples for the log."""

import logging
from collections import Counter

from parley.core.formats import printable
from parley.dataset.image_signatures import HEIC, HIDDEN, TEXT

MOST_EXAMPLES = 3
_LONGEST, _START, _END = 120, 60, 40


class LeftOut(Counter[str]):
    """Numbers of skipped files or lines by reason. `add` also keeps the first names for each reason."""

    def __init__(self, *counts: "Counter[str]") -> None:
        super().__init__(*counts)
        self._examples: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        """Count a file or line."""
        self[reason] += 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append(_shown(name))

    def names(self, reason: str) -> list[str]:
        """Return the first names that were added for a reason."""
        return self._examples.get(reason, [])

    def examples(self, reason: str) -> str:
        """Return the first names in parentheses, after a space; an empty string if none are known."""
        names = self.names(reason)
        such_as = "such as " if len(names) < self[reason] else ""
        return f" ({such_as}{', '.join(names)})" if names else ""

    def __str__(self) -> str:
        """Return the numbers with the examples, the most frequent reason first."""
        return ", ".join(f"{number:,} {reason}{self.examples(reason)}" for reason, number in self.most_common())


def _shown(name: str) -> str:
    shown = printable(name).replace("\n", "\\n")
    return shown if len(shown) <= _LONGEST else f"{shown[:_START]}[…]{shown[-_END:]}"


def log_skipped_files(logger: logging.Logger, skipped_files: LeftOut, where: str = "") -> None:
    """Log files that are not images: as information if all are hidden or text files, otherwise as a warning."""
    if skipped_files:
        level = logging.INFO if skipped_files.keys() <= {HIDDEN, TEXT} else logging.WARNING
        logger.log(level, "%s%s.", where, skipped_files_text(skipped_files))


def skipped_files_text(skipped_files: LeftOut) -> str:
    """Return a sentence, without its full stop, about files that are not images."""
    advice = "; reading HEIC needs a plug-in for Pillow: convert these files to JPEG" if HEIC in skipped_files else ""
    return f"Files skipped because they are not images in a supported format: {skipped_files}{advice}"
