"""What messages are as a language, as the page tells it: each measure beside what chance gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parley.metrics.registry import REPORT_LABELS


@dataclass(frozen=True, slots=True)
class LanguageLine:
    """One measure of a run; None for what is not known."""

    metric: str
    name: str
    unit: str
    mean: float
    low: float | None
    high: float | None
    n_seeds: int
    seeds_failed: int
    """Those that have no number: of the measure, or of anything."""
    null_mean: float | None
    null_high: float | None
    largest_p: float | None

    @property
    def beyond_chance(self) -> bool | None:
        """Whether every seed that has the measure is beyond what permutations give, at 5 %; None without a null."""
        return None if self.largest_p is None else self.largest_p < 0.05


def language_lines(rows: Sequence[Mapping[str, str]], run: str) -> list[LanguageLine]:
    """Return what the test part's rows of `language.csv` say of a run; measures that no seed has are left out."""
    own = {row["metric"]: row for row in rows if row["run"] == run and row["part"] == "test" and row["mean"]}
    return [_line(own[metric], name) for metric, name in REPORT_LABELS.items() if metric in own]


def _line(row: Mapping[str, str], name: str) -> LanguageLine:
    known = {
        column: float(row[column]) if row[column] else None for column in ("low", "high", "null_mean", "null_high")
    }
    return LanguageLine(
        metric=row["metric"],
        name=name,
        unit=row["unit"],
        mean=float(row["mean"]),
        n_seeds=int(row["n_seeds"]),
        seeds_failed=int(row["seeds_failed"]),
        largest_p=float(row["largest_p"]) if row["largest_p"] else None,
        **known,
    )


def of_language(lines: Sequence[LanguageLine]) -> str:
    """Say in a sentence or two what the table shows."""
    tested = [line for line in lines if line.beyond_chance is not None]
    if not tested:
        return "None of the measures that have a null could be taken."
    # What was taken of some seeds alone, as where all messages are the same, says nothing of the others.
    groups = dict.fromkeys(
        (line.n_seeds, line.seeds_failed) for line in sorted(tested, key=lambda line: line.seeds_failed)
    )
    return " ".join(
        _of_group([line for line in tested if (line.n_seeds, line.seeds_failed) == group], _seeds(*group))
        for group in groups
    )


def _seeds(have: int, lack: int) -> str:
    if not lack:
        return "in every seed"
    return f"in {'the one seed' if have == 1 else f'each of the {have} seeds'} of {have + lack} that could be measured"


def _of_group(lines: Sequence[LanguageLine], seeds: str) -> str:
    """Say what the measures show that were taken of the same number of seeds."""
    inside = [line.name for line in lines if not line.beyond_chance]
    beyond, of = len(lines) - len(inside), f"{len(lines)} measures that have a null"
    chance = f"what permutations give, {seeds} (p < 0.05)"
    if len(lines) == 1:
        return f"{lines[0].name}: {'beyond' if beyond else 'not beyond'} {chance}."
    if not inside:
        return f"All {of} are beyond {chance}."
    if not beyond:
        return f"None of the {of} is beyond {chance}."
    return f"{beyond} of the {of} are beyond {chance}. Not so: {'; '.join(inside)}."
