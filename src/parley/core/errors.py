"""Errors a person can act on: what is wrong, where, and what to do."""

from collections.abc import Iterable


class ParleyError(Exception):
    """One or more findings about an input, each a sentence for the person at the keyboard.

    Parameters
    ----------
    findings
        Sentences. Each names the file, the key or the class, and what to do.
    """

    def __init__(self, findings: str | Iterable[str]) -> None:
        self.findings = [findings] if isinstance(findings, str) else list(findings)
        super().__init__("\n".join(self.findings))


class Findings:
    """Collects everything that is wrong with an input, so that all of it is told at once."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Note one finding; the same sentence twice counts once."""
        if sentence not in self._sentences:
            self._sentences.append(sentence)

    def extend(self, sentences: Iterable[str]) -> None:
        """Note several findings."""
        for sentence in sentences:
            self.add(sentence)

    @property
    def sentences(self) -> list[str]:
        """The findings so far, in the order they were made."""
        return list(self._sentences)

    def raise_if_any(self) -> None:
        """Raise all findings as one `ParleyError`; do nothing where there are none."""
        if self._sentences:
            raise ParleyError(self._sentences)
