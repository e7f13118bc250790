"""Label ids with gaps, as the 2017 code allowed: only the ids differ from those of a run without gaps.

And a dev split of other classes than those trained on.
"""

import csv
import json
from pathlib import Path

import h5py
import pytest
import torch
from original_files import write_part

from parley.cli.main import main
from parley.evaluation.evaluate import EvalInputs, evaluate
from parley.training.checkpoint import load_checkpoint

IDS = [3, 11, 12, 40, 10**9, 2**31 - 1]
"""The label ids of `trained`, 0 to 5, in the same order."""


@pytest.fixture(scope="module")
def gapped(trained, tmp_path_factory):
    """The files of `trained` and its run, with other label ids."""
    folder = tmp_path_factory.mktemp("gapped")
    for name in ("train", "test", "ood"):
        with h5py.File(trained.part(name)) as file:
            write_part(folder / f"{name}.hdf5", file["avgpool_512"][:, 0], [IDS[i] for i in file["Target"]], name)
    with Path(trained.text[1]).open(newline="") as stream:
        rows = [[IDS[int(label)], *rest] for label, *rest in csv.reader(stream)]
    with (folder / "descriptions.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows[::-1])  # nor in order
    config = ["--config", str(trained.run / "config.json"), "--out", str(folder / "runs/tiny/6")]
    files = [f"--{name}={folder / file}.hdf5" for name, file in (("train", "train"), ("dev", "test"))]
    assert main(["train", *config, *files, *text_of(trained, folder)]) == 0
    return trained._replace(folder=folder, run=folder / "runs/tiny/6", text=text_of(trained, folder))


def text_of(trained, folder):
    return ["--descriptions", str(folder / "descriptions.csv"), *trained.text[2:]]


def test_training_is_the_same(trained, gapped):
    one, two = load_checkpoint(trained.best), load_checkpoint(gapped.best)
    assert (one.candidate_ids, two.candidate_ids) == ([0, 1, 2, 3], IDS[:4])
    for a, b in zip(one.agents, two.agents, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(("part", "among"), [("test", "seen"), ("ood", "all"), ("ood", "seen+own"), ("ood", "own")])
def test_evaluation_is_the_same(trained, gapped, tmp_path, part, among):
    results, labels = [], []
    for run in (trained, gapped):
        out = tmp_path / run.folder.name
        files = [run.best, "--features", run.part(part), *run.text, "--candidates", among]
        assert main(["evaluate", *files, "--out", str(out)]) == 0
        assert main(["messages", *files, "--out", str(out / "messages.hdf5")]) == 0
        results.append(json.loads((out / "evaluation.json").read_text())["parts"][part])
        with h5py.File(out / "messages.hdf5") as file:
            labels.append(file.attrs["candidate_ids"].tolist())
    assert {**results[0], "file": ""} == {**results[1], "file": ""}
    assert [IDS[label] for label in labels[0]] == labels[1]


def test_an_id_in_a_gap_is_refused(gapped, tmp_path, refused):
    write_part(tmp_path / "more.hdf5", torch.ones(2, 16), [3, 4])
    files = ["--features", tmp_path / "more.hdf5", *gapped.text, "--out", tmp_path / "o"]
    (told,) = refused("evaluate", gapped.best, *files)
    assert "label 4, but descriptions.csv describes the labels 3, 11, 12, 40, 1000000000, 2147483647;" in told


@pytest.mark.parametrize("among", ["own", "all"])
def test_a_dev_split_of_other_classes_has_the_results_of_an_evaluation_among_them(gapped, tmp_path, among):
    text = [*gapped.text, "--dev-descriptions", gapped.text[1]]
    files = ["--train", gapped.part("train"), "--dev", gapped.part("ood"), *text, "--out", str(tmp_path / "run")]
    config = ["--config", str(gapped.run / "config.json"), "--set", f"training.dev_candidates={among}"]
    assert main(["train", *config, *files]) == 0
    logged = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    last = str(tmp_path / "run/checkpoints/00000020.pt")
    files = ["--features", gapped.part("ood"), *gapped.text, "--out", str(tmp_path / "out")]
    assert main(["evaluate", last, *files, "--candidates", among]) == 0
    found = json.loads((tmp_path / "out/evaluation.json").read_text())["parts"]["ood"]
    dev = [row for row in logged if row["kind"] == "dev"][-1]
    assert dev["candidates"] == {"own": 2, "all": 6}[among]
    for name in ("n", "candidates", "accuracy@1", "accuracy@k", "nll", "length"):
        assert dev[name] == pytest.approx(found[name], rel=1e-5)
    # The workflow's evaluation of the dev split has these candidates, too; other splits have those trained on.
    parts = {"dev": gapped.part("ood"), "test": gapped.part("test")}
    evaluate(EvalInputs(last, parts, gapped.text[1], gapped.text[3], {}), (2, 2), tmp_path / "all.json")
    whole = json.loads((tmp_path / "all.json").read_text())["parts"]
    assert {name: part["candidates"] for name, part in whole.items()} == {"dev": dev["candidates"], "test": 4}
    assert whole["dev"]["nll"] == pytest.approx(dev["nll"], rel=1e-5)
