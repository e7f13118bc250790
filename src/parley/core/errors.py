"""Errors with messages for users: what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable

from parley.core.installation import as_typed


class ParleyError(Exception):
    """One or more problems with an input, each described in a sentence for the user.

    Parameters
    ----------
    findings
        One sentence for each problem. It names the file, key or class, and says what to do.
    """

    def __init__(self, findings: str | Iterable[str]) -> None:
        self.findings = [as_typed(one) for one in ([findings] if isinstance(findings, str) else findings)]
        super().__init__("\n".join(self.findings))


class Findings:
    """Collection of the problems with an input, so that all of them are reported at once."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Add one finding; duplicates are ignored."""
        if sentence not in self._sentences:
            self._sentences.append(sentence)

    def extend(self, sentences: Iterable[str]) -> None:
        """Add several findings."""
        for sentence in sentences:
            self.add(sentence)

    @property
    def sentences(self) -> list[str]:
        """The findings so far, in the order they were added."""
        return list(self._sentences)

    def raise_if_any(self) -> None:
        """Raise all findings as one `ParleyError`; do nothing if there are none."""
        if self._sentences:
            raise ParleyError(self._sentences)


def did_you_mean(word: object, known: Iterable[str], otherwise: str = "", cutoff: float = 0.6) -> str:
    """Return "did you mean …?" with the word of `known` most similar to `word`, or `otherwise` if none is similar.

    Words that differ only in case are the same.
    """
    lowered = {one.lower(): one for one in known}
    near = difflib.get_close_matches(str(word).lower(), lowered, n=1, cutoff=cutoff)
    return f"did you mean {lowered[near[0]]}?" if near else otherwise
