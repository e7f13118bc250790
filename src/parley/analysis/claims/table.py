"""The table of claims: statement, outcome and verdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parley.analysis.claims.correlations import correlations, permutation_p
from parley.analysis.claims.evidence import Evidence
from parley.analysis.claims.measures import About, PerSeed
from parley.analysis.claims.statements import CLAIMS, Claim
from parley.analysis.claims.verdicts import judge
from parley.core import markdown
from parley.core.files import write_csv, write_json, write_text
from parley.core.formats import counted
from parley.metrics.statistics import sign_flip_p

COLUMNS = (
    "claim", "statement", "source", "part", "runs", "measured", "unit", "expected", "mean", "sd", "low", "high",
    "n_seeds", "seeds_left_out", "cases", "null", "p", "verdict",
)  # fmt: skip
"""Of the table; an unknown value is an empty cell."""
HEADER = ("Claim", "Measured by", "On", "Expected", "Outcome", "Verdict")
PERMUTATIONS = 10_000
"""Permutations of cases, for claims about a correlation."""


def judge_claims(entries: Sequence[Mapping[str, Any]], evidence: Evidence, seeds: int) -> list[dict[str, Any]]:
    """Test the claims of a config.

    Parameters
    ----------
    entries
        The config's claims: ``claim``, ``part``, and its runs.
    evidence
        The results of the experiment.
    seeds
        Number of seeds of each run; those without a value count as left out.

    Returns
    -------
    list[dict[str, Any]]
        Rows of `COLUMNS`. ``cases`` is the minimum number, over seeds, of classes or images behind a value;
        ``p`` is two-sided, for the ``null`` in the same row. There is no correction for multiple claims.
    """
    return [_row(entry, evidence, seeds) for entry in entries]


def _row(entry: Mapping[str, Any], evidence: Evidence, seeds: int) -> dict[str, Any]:
    claim = CLAIMS[entry["claim"]]
    about = About(entry["part"], entry["run"] or "", entry["against"] or "", tuple(entry["runs"]))
    found, null, p = _weighed(claim, about, evidence)
    values = [one.value for one in found.values()]
    over, verdict = judge(values, claim.expected, p if claim.pairs is not None else None)
    return {
        "claim": entry["claim"],
        "statement": claim.statement,
        "source": claim.source,
        "part": about.part,
        "runs": _runs(about),
        "measured": claim.measured,
        "unit": claim.unit,
        "expected": str(claim.expected),
        "mean": over.mean,
        "sd": over.sd,
        "low": over.low,
        "high": over.high,
        "n_seeds": over.n,
        "seeds_left_out": seeds - over.n,
        "cases": min((one.cases for one in found.values()), default=None),
        "null": null,
        "p": p,
        "verdict": verdict,
    }


def _weighed(claim: Claim, about: About, evidence: Evidence) -> tuple[PerSeed, str | None, float | None]:
    """Return the value of each seed, the name of its null if there is one, and the two-sided p-value."""
    generator = np.random.default_rng(0)  # The same permutations each time.
    if claim.pairs is not None:
        pairs = claim.pairs(evidence, about)
        return correlations(pairs), "cases permuted, alike in all seeds", permutation_p(pairs, PERMUTATIONS, generator)
    assert claim.measure is not None  # a claim has either `measure` or `pairs`
    found = claim.measure(evidence, about)
    if claim.expected.side == "within" or len(found) < 2:
        return found, None, None
    apart = np.array([one.value for one in found.values()]) - claim.expected.bound
    return found, "signs of seeds flipped", sign_flip_p(apart, generator)


def _runs(about: About) -> str:
    if about.runs:
        return " ".join(about.runs)
    return f"{about.run} against {about.against}" if about.against else about.run


def write_claims(rows: Sequence[Mapping[str, Any]], folder: str | Path) -> None:
    """Write `claims.csv`, `claims.json` and `claims.md` into a folder."""
    folder = Path(folder)
    write_csv(folder / "claims.csv", COLUMNS, rows)
    write_json(folder / "claims.json", {"rows": list(rows)})
    write_text(folder / "claims.md", "\n".join(as_markdown(rows)) + "\n")


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return markdown.table(HEADER, [_cells(row) for row in rows])


def _cells(row: Mapping[str, Any]) -> list[str]:
    on = f"{row['part']}: {row['runs']}"
    cells = (row["statement"], row["measured"], on, row["expected"], _outcome(row))
    return [*map(markdown.escaped, cells), f"**{row['verdict']}**"]


def _outcome(row: Mapping[str, Any]) -> str:
    """Return a mean with its interval and number of seeds as text."""
    left = f", {row['seeds_left_out']} left out" if row["seeds_left_out"] else ""
    each = f", {row['cases']} cases each" if row["cases"] else ""
    seeds = f"{counted(row['n_seeds'], 'seed')}{left}{each}"
    if row["mean"] is None:
        return f"not measurable ({seeds})"
    unit = "" if row["unit"] in ("fraction", "Pearson's r") else f" {row['unit']}"
    between = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    p = "" if row["p"] is None else f", p = {row['p']:.2g}"
    return f"{row['mean']:.3f}{unit}{between} ({seeds}{p})"
