"""The table of claims: what was claimed, what came out, and the verdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parley import markdown
from parley.claims.evidence import Evidence
from parley.claims.measures import About
from parley.claims.statements import CLAIMS
from parley.claims.verdicts import judge
from parley.files import write_csv, write_json, write_text
from parley.metrics.comparison import sign_flip_p

COLUMNS = (
    "claim", "statement", "source", "part", "runs", "measured", "unit", "expected", "mean", "sd", "low", "high",
    "n_seeds", "seeds_left_out", "sign_flip_p", "verdict",
)  # fmt: skip
"""Of the table; an unknown value is an empty cell."""
HEADER = ("Claim", "Measured by", "On", "Expected", "Outcome", "Verdict")
MOST_FLIPPED = 16
"""Seeds up to which all flips of signs are counted."""


def judge_claims(entries: Sequence[Mapping[str, Any]], evidence: Evidence, seeds: int) -> list[dict[str, Any]]:
    """Put the claims of a config to the test.

    Parameters
    ----------
    entries
        The config's claims: ``claim``, ``part``, and the runs that it is about.
    evidence
        Of the experiment.
    seeds
        How many seeds each run has; those without a number are counted as left out.

    Returns
    -------
    list[dict[str, Any]]
        Rows of `COLUMNS`. ``sign_flip_p`` tests the mean against the bound of the expectation, on either side; it has
        none where a margin is expected. Claims are not corrected for being many.
    """
    return [_row(entry, evidence, seeds) for entry in entries]


def _row(entry: Mapping[str, Any], evidence: Evidence, seeds: int) -> dict[str, Any]:
    claim = CLAIMS[entry["claim"]]
    about = About(entry["part"], entry["run"] or "", entry["against"] or "", tuple(entry["runs"]))
    values = claim.measure(evidence, about)
    over, verdict = judge(list(values.values()), claim.expected)
    bound, p = claim.expected.bound, None
    if claim.expected.side != "within" and 2 <= over.n <= MOST_FLIPPED:
        p = sign_flip_p(np.array(list(values.values())) - bound)
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
        "sign_flip_p": p,
        "verdict": verdict,
    }


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
    told = (row["statement"], row["measured"], on, row["expected"], _outcome(row))
    return [*map(markdown.escaped, told), f"**{row['verdict']}**"]


def _outcome(row: Mapping[str, Any]) -> str:
    """Tell a mean with its interval and the number of seeds; never one without the other."""
    n, left = row["n_seeds"], row["seeds_left_out"]
    said = f"n = {n}" + (f", {left} left out" if left else "")
    if row["mean"] is None:
        return f"not measurable ({said})"
    unit = "" if row["unit"] in ("fraction", "Pearson's r") else f" {row['unit']}"
    if row["low"] is None:
        return f"{row['mean']:.3f}{unit} ({said})"
    return f"{row['mean']:.3f}{unit} [{row['low']:.3f}, {row['high']:.3f}] ({said})"
