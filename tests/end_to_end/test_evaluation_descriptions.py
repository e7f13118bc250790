"""The texts that agents read: `descriptions.evaluation`, other ones in evaluation; `words.stop_words`."""

import csv
import json

import pytest
from tiny_runs import TINY

from parley.text.word_vectors import read_words

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


def test_a_list_of_stop_words_is_read_and_its_changes_are_seen(project):
    def words(name):
        return set(read_words(project.folder / f"results/{name}/words.hdf5").words)

    dropped, *_ = sorted(words("tiny"))
    (project.folder / "mine.txt").write_text(f"the\n{dropped}\n")
    mine = project.write_config("mine", **{**TINY, "words": {"source": "random", "stop_words": "mine.txt"}})
    project.snakemake("--cores", "2", "results/mine/words.hdf5", config=mine)
    assert dropped not in words("mine") > words("tiny") - {dropped}
    assert project.planned(mine, "results/mine/words.hdf5") == set()
    (project.folder / "mine.txt").write_text("the\n")
    assert project.planned(mine, "results/mine/words.hdf5") == {"embed_words"}
    (project.folder / "mine.txt").unlink()
    refused = project.snakemake("--cores", "2", "results/mine/words.hdf5", config=mine, ok=False)
    assert "Config: words.stop_words is mine.txt, which is not a file; check the path." in refused


def log_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
