"""The table by exchange: means over seeds of what analysis.json and language.json say."""

import csv
import json

import numpy as np
import pytest

from parley.analysis.seed_tables import EXCHANGE_COLUMNS, tabulate_exchanges


def write(folder, run, seed, name, part):
    path = folder / f"runs/{run}/{seed}/{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"run": run, "seed": seed, "parts": {"test": part}}))
    return path


def test_one_row_per_exchange_and_metric_with_its_number_of_seeds(tmp_path):
    analyses, languages = [], []
    for seed, (first, second) in enumerate([(0.2, 0.5), (0.4, 0.7), (0.3, None)]):
        table = {"talking": [1.0, 0.5], "accuracy@1_all": [first, 0.9], "accuracy@1_talking": [first, second]}
        analyses.append(
            write(tmp_path, "a", seed, "analysis", {"n": 40, "by_exchange": {**table, "sender_entropy_bits_all": None}})
        )
        gained = {"information_gained": [1.0 + seed, 0.5], "hamming_sender": [None, 2.0], "information_corrected": None}
        languages.append(write(tmp_path, "a", seed, "language", {"exchanges": gained}))
    analyses.append(write(tmp_path, "diverged", 0, "analysis", {"failed": "its scores are not finite"}))
    languages.append(write(tmp_path, "diverged", 0, "language", {"exchanges": None}))
    tabulate_exchanges(analyses, languages, ["a", "diverged"], tmp_path / "exchanges.csv")
    with (tmp_path / "exchanges.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == EXCHANGE_COLUMNS
    assert {row["run"] for row in rows} == {"a"}
    found = {(row["metric"], row["over"], int(row["exchange"])): row for row in rows}
    assert float(found["accuracy@1", "talking", 2]["mean"]) == pytest.approx(0.6)
    assert found["accuracy@1", "talking", 2]["n_seeds"] == "2"
    assert float(found["conversations", "talking", 2]["mean"]) == 20
    assert found["accuracy@1", "all", 1]["n_seeds"] == "3"
    assert float(found["accuracy@1", "all", 1]["sd"]) == pytest.approx(np.std([0.2, 0.4, 0.3], ddof=1))
    assert float(found["information_gained", "talking", 1]["mean"]) == pytest.approx(2)
    assert ("hamming_sender", "talking", 1) not in found
    assert ("hamming_sender", "talking", 2) in found
    assert not any(metric in ("information_corrected", "sender_entropy") for metric, _, _ in found)
