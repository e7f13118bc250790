"""The measures of messages as languages: a file a run and seed, and a table of all of them over seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.descriptions import read_descriptions
from parley.errors import ParleyError
from parley.files import read_json, write_csv, write_json
from parley.metrics.conversations import read_conversations
from parley.metrics.intervals import t_interval
from parley.metrics.language import UNITS, measure_language
from parley.summary import in_order
from parley.wordvectors import description_matrix, read_words

COLUMNS = ("run", "part", "metric", "unit", "mean", "sd", "low", "high", "n_seeds", "seeds_failed", "largest_p")
"""Of the table; an unknown value is an empty cell."""


def write_language(
    messages: Sequence[str | Path], descriptions: str | Path, words: str | Path, out: str | Path, seed: int = 0
) -> None:
    """Measure the messages of one run and seed on every part, and write `language.json`.

    Parameters
    ----------
    messages
        The parts' files of messages.
    descriptions, words
        ``descriptions.csv`` and ``words.hdf5``: what the classes mean.
    out
        The file.
    seed
        Of permutations and samples.
    """
    vectors = description_matrix(read_descriptions(descriptions), read_words(words))
    owner: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for path in messages:
        said = read_conversations(path)
        if strays := [label for label in said.candidate_ids if not 0 <= label < len(vectors)]:
            raise ParleyError(
                f"{path} has candidates of label {', '.join(map(str, strays[:5]))}, which {descriptions} does not "
                "describe; make both again."
            )
        parts[said.part] = measure_language(said, vectors[list(said.candidate_ids)], seed)
        owner = {"run": said.run, "seed": said.seed}
    write_json(out, {**owner, "units": UNITS, "parts": parts})


def summarise_languages(
    paths: Sequence[str | Path], expected: Mapping[str, int], out: str | Path
) -> list[dict[str, Any]]:
    """Bring the seeds of each run together in a tidy table, a row a run, part and measure.

    Parameters
    ----------
    paths
        `language.json` files.
    expected
        How many seeds each run has; those without a file, or without a number, count as failed.
    out
        The table to write; its rows are returned too.
    """
    found = [read_json(path) for path in paths]
    rows: list[dict[str, Any]] = []
    for run, seeds in expected.items():
        own = [one for one in found if one["run"] == run]
        for part in in_order(part for one in own for part in one["parts"]):
            rows += _rows(run, part, [one["parts"][part] for one in own if part in one["parts"]], seeds)
    write_csv(out, COLUMNS, rows)
    return rows


def _rows(run: str, part: str, of_seeds: Sequence[Mapping[str, Any]], seeds: int) -> list[dict[str, Any]]:
    rows = []
    for metric, unit in UNITS.items():
        values = [one["measures"][metric] for one in of_seeds if one["measures"][metric] is not None]
        ps = [one["p"][metric] for one in of_seeds if one["p"].get(metric) is not None]
        over = t_interval(values)
        rows.append(
            {
                "run": run,
                "part": part,
                "metric": metric,
                "unit": unit,
                "mean": over.mean,
                "sd": over.sd,
                "low": over.low,
                "high": over.high,
                "n_seeds": over.n,
                "seeds_failed": seeds - over.n,
                # The least sure of the seeds: all of them are below this.
                "largest_p": max(ps, default=None),
            }
        )
    return rows
