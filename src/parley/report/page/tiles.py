"""The headline numbers of a run, each next to chance."""

from collections.abc import Sequence
from dataclasses import dataclass

from parley.analysis.summary import SummaryRow
from parley.core.formats import counted, fraction

ABOUT = {
    "test": "New images of the classes it was trained on",
    "ood_alone": "Classes it never saw, among themselves",
    "ood": "Classes it never saw, seen ones as candidates too",
    "transfer_alone": "Classes of another kind, among themselves",
    "transfer": "Classes of another kind, seen ones as candidates too",
}
"""Parts that the headline tells, in its order."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the headline: accuracy@1 on a part, what it is about, and how it stands to chance."""

    about: str
    row: SummaryRow
    verdict: str


def tiles(rows: Sequence[SummaryRow], run: str) -> list[Tile]:
    """Return a run's accuracy@1 on held-out splits."""
    own = {row.part: row for row in rows if row.run == run and row.metric == "accuracy@1"}
    return [Tile(about, own[part], _verdict(own[part])) for part, about in ABOUT.items() if part in own]


def _verdict(row: SummaryRow) -> str:
    seeds = counted(row.n_seeds, "seed")
    if row.mean is None:
        return "no seed came through"
    if row.chance is None:
        return seeds
    times = f"{row.mean / row.chance:.1f} × chance ({fraction(row.chance)})"
    if row.beats_chance is None:
        return f"{times}; {seeds}, so no interval"
    if row.beats_chance:
        return f"{times}; {seeds}"
    below = row.high is not None and row.high < row.chance
    return f"{'below' if below else 'not told apart from'} chance ({fraction(row.chance)}); {seeds}"
