"""Links from the page to the experiment's other files."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

FILES = (
    ("browser.html", "every conversation, to look up", ""),
    ("summary.csv", "the results, a row a run, part and metric", ""),
    ("language.csv", "messages as a language, each measure with its null", ""),
    ("exchanges.csv", "measures exchange by exchange", "language"),
    ("interventions.csv", "what messages cause: bits flipped, messages exchanged", "interventions"),
    ("difficulty.csv", "what a linear classifier makes of the same features", "difficulty"),
    ("agreement.csv", "whether seeds answer, stop and speak alike", "agreement"),
    ("comparisons.csv", "every two runs compared seed by seed", "comparisons"),
    ("claims.md", "what was claimed of the game, put to the test", "claims"),
    ("tables", "tables for a paper, in Markdown and LaTeX", "tables"),
    ("export", "all conversations in formats of other tools", "export"),
    ("data_card.md", "what the images are, and where they are from", ""),
    ("funnel.json", "how many images came how far, class by class", ""),
    ("splits.tsv", "which image is in which part", ""),
    ("descriptions.csv", "what the Receiver reads of each class", ""),
    ("words_missing.tsv", "words without a vector", ""),
    ("config.yaml", "the complete config", ""),
    ("provenance.json", "every file with the hashes of what it was made from", ""),
    ("figures", "every figure as SVG and PDF", ""),
    ("runs", "checkpoints, evaluations and messages of each run and seed", ""),
    ("logs", "each stage's log", ""),
    ("benchmarks", "each job's time and memory", ""),
)
"""Name, description, and the target that makes it on request."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A file or folder next to the page. If it does not exist, `link` is None and `target` makes it."""

    name: str
    what: str
    link: str | None
    target: str


def files_beside(folder: str | Path) -> list[Beside]:
    """List the experiment's other files: those that exist, and those that a target would make."""
    found = []
    for name, what, target in FILES:
        there = (Path(folder) / name).exists()
        is_folder = (Path(folder) / name).is_dir()
        if there or target:
            found.append(Beside(name, what, quote(name + "/" * is_folder) if there else None, target))
    return found
