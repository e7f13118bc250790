"""`descriptions.evaluation`: training reads one text, dev and evaluation another."""

import csv
import json

import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished):
    return finished


def test_training_reads_one_text_and_evaluation_another(project):
    with (project.folder / "results/tiny/descriptions.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    texts = [row[2] for row in rows]
    # Each class is described as the next one is.
    with (project.folder / "other.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(
            [*row[:2], text] for row, text in zip(rows, texts[1:] + texts[:1], strict=True)
        )
    other = project.write_config("other", **{**TINY, "seeds": [1], "descriptions": {"evaluation": "other.csv"}})
    project.snakemake("--cores", "2", "evaluate", config=other)
    logs = [log_of(project.folder / f"results/{name}/runs/adaptive/1") for name in ("tiny", "other")]
    assert [row["nll"] for row in logs[0] if row["kind"] == "train"] == [
        row["nll"] for row in logs[1] if row["kind"] == "train"
    ]
    assert [row["nll"] for row in logs[0] if row["kind"] == "dev"] != [
        row["nll"] for row in logs[1] if row["kind"] == "dev"
    ]
    tested = [
        json.loads((project.folder / f"results/{name}/runs/adaptive/1/evaluation.json").read_text())["parts"]["test"]
        for name in ("tiny", "other")
    ]
    assert tested[0]["nll"] != tested[1]["nll"]
    assert project.planned(other, "evaluate") == set()


def log_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
