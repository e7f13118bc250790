"""`parley evaluate`: what it counts is counted again here, from the tables that `parley messages` writes."""

import csv
import json
import shutil

import h5py
import numpy as np
import pytest
from original_files import write_descriptions, write_part, write_words
from sklearn.metrics import confusion_matrix

from parley.cli.main import main

HEADER = "checkpoint,eval_file,topk,step,best_dev_acc,eval_acc,convlen_mean,convlen_std"
BATCH = 20
"""The run's dev_batch_size: the 48 test images make two full batches and a short one."""


class Counted:
    """What a file of messages says, read with h5py and counted without any of Parley's code."""

    def __init__(self, path):
        with h5py.File(path) as file:
            said, predicted = file["Communication"][:], file["Predictions"][:]
            steps, self.ids = int(file.attrs["max_exchanges"]), file.attrs["candidate_ids"]
        predicted = predicted.reshape(-1, steps)
        self.active = predicted["StopMask"]
        self.go_on_bits = (predicted["StopVec"] * self.active).sum(1)
        last = self.active.sum(1) - 1
        self.scores = predicted["Predictions"][np.arange(len(last)), last]
        self.true = predicted["Target"][:, 0]
        said = said.reshape(-1, steps, 2)
        self.bits = {"sender": said["BinaryVec"][:, :, 0], "receiver": said["BinaryVec"][:, :, 1]}

    def accuracy(self, k):
        best = self.ids[np.argsort(-self.scores, axis=1)[:, :k]]
        return np.mean([true in row for true, row in zip(self.true, best, strict=True)])

    def hamming(self, agent):
        changes = []
        for bits, active in zip(self.bits[agent].tolist(), self.active, strict=True):
            changes += [sum(a != b for a, b in zip(bits[t], bits[t - 1], strict=True)) for t in range(1, sum(active))]
        return np.mean(changes) if changes else None

    def hamming_original(self, agent):
        means = []
        for start in range(0, len(self.true), BATCH):
            bits, active = self.bits[agent][start : start + BATCH], self.active[start : start + BATCH]
            before, total, steps = np.zeros_like(bits[:, 0]), 0.0, active.sum(1).max()
            for t in range(steps):
                total += np.mean([sum(a != b) for a, b in zip(bits[:, t], before, strict=True)])
                before = bits[:, t]
            means.append(total / steps)
        return np.mean(means)


@pytest.fixture(scope="module")
def judged(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("judged")
    common = [trained.best, "--features", trained.part("test"), *trained.text]
    assert main(["evaluate", *common, "--k", "2", "--out", str(out)]) == 0
    assert main(["messages", *common, "--out", str(out / "messages.hdf5")]) == 0
    return out, Counted(out / "messages.hdf5")


def result_of(out, name="test"):
    return json.loads((out / "evaluation.json").read_text())["parts"][name]


def test_the_sheet_has_the_originals_header_and_a_row(trained, judged):
    out, counted = judged
    lines = (out / "eval.csv").read_text().splitlines()
    assert lines[0] == HEADER
    (row,) = csv.DictReader(lines)
    assert (row["checkpoint"], row["eval_file"], row["topk"]) == (trained.best, trained.part("test"), "2")
    assert float(row["eval_acc"]) == pytest.approx(counted.accuracy(2))
    assert float(row["convlen_mean"]) == pytest.approx(counted.go_on_bits.mean())
    assert float(row["convlen_std"]) == pytest.approx(counted.go_on_bits.std())


def test_the_best_dev_accuracy_is_that_of_the_log_up_to_the_step(trained, judged):
    (row,) = csv.DictReader((judged[0] / "eval.csv").read_text().splitlines())
    log = [json.loads(line) for line in (trained.run / "metrics.jsonl").read_text().splitlines()]
    dev = [line["accuracy@k"] for line in log if line["kind"] == "dev" and line["step"] <= int(row["step"])]
    assert float(row["best_dev_acc"]) == max(dev)


def test_evaluation_json_has_the_stages_shape(trained, judged):
    out, counted = judged
    whole = json.loads((out / "evaluation.json").read_text())
    assert {name: whole[name] for name in ("experiment", "run", "seed", "k")} == {
        "experiment": "easy",
        "run": "tiny",
        "seed": 6,
        "k": 2,
    }
    result = whole["parts"]["test"]
    assert (result["n"], result["candidates"], result["k"]) == (48, 4, 2)
    assert result["accuracy@1"] == pytest.approx(counted.accuracy(1))
    assert result["accuracy@1"] > result["chance@1"]  # The run has learned something to count.
    assert result["length"] == pytest.approx(counted.active.sum(1).mean())
    assert result["length_original"] == pytest.approx(counted.go_on_bits.mean())


@pytest.mark.parametrize("agent", ["sender", "receiver"])
def test_changes_of_messages_are_counted_in_both_ways(judged, agent):
    out, counted = judged
    result = result_of(out)
    assert result[f"hamming_{agent}"] == pytest.approx(counted.hamming(agent))
    assert result[f"hamming_{agent}_original"] == pytest.approx(counted.hamming_original(agent))


def test_the_confusion_matrix_is_scikit_learns(judged):
    out, counted = judged
    expected = confusion_matrix(counted.true, counted.ids[counted.scores.argmax(1)])
    assert np.loadtxt(out / "conf_mat.txt", delimiter=",", dtype=int, ndmin=2).tolist() == expected.tolist()


def test_several_files_get_a_row_and_a_matrix_each(trained, tmp_path):
    files = [trained.part("test"), trained.part("ood")]
    out = tmp_path / "out"
    arguments = [trained.best, "--features", *files, *trained.text, "--candidates", "all", "--out", str(out)]
    assert main(["evaluate", *arguments, "--k", "6"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "conf_mat.ood.txt",
        "conf_mat.test.txt",
        "eval.csv",
        "evaluation.json",
    ]
    rows = list(csv.DictReader((out / "eval.csv").read_text().splitlines()))
    assert [row["eval_file"] for row in rows] == files
    # Six candidates: accuracy@6 cannot be wrong.
    assert [row["eval_acc"] for row in rows] == ["1.0", "1.0"]


@pytest.mark.parametrize(("among", "candidates"), [("all", 6), ("seen+own", 6), ("own", 2)])
def test_unseen_classes_are_candidates_on_request(trained, tmp_path, among, candidates):
    arguments = [trained.best, "--features", trained.part("ood"), *trained.text, "--out", str(tmp_path / "out")]
    assert main(["evaluate", *arguments, "--candidates", among, "--k", "1"]) == 0
    assert result_of(tmp_path / "out", "ood")["candidates"] == candidates


def test_k_is_the_runs(trained, judged, tmp_path):
    arguments = [trained.best, "--features", trained.part("test"), *trained.text, "--out", str(tmp_path)]
    assert main(["evaluate", *arguments]) == 0
    config = json.loads((trained.run / "config.json").read_text())
    assert json.loads((tmp_path / "evaluation.json").read_text())["k"] == config["k"] == 2
    assert (tmp_path / "eval.csv").read_bytes() == (judged[0] / "eval.csv").read_bytes()
    assert main(["evaluate", *arguments, "--k", "3"]) == 0
    assert json.loads((tmp_path / "evaluation.json").read_text())["k"] == 3


def test_a_checkpoint_alone_is_enough(trained, tmp_path):
    shutil.copy(trained.best, tmp_path / "alone.pt")
    arguments = [str(tmp_path / "alone.pt"), "--features", trained.part("test"), *trained.text]
    assert main(["evaluate", *arguments, "--out", str(tmp_path / "out")]) == 0
    (row,) = csv.DictReader((tmp_path / "out/eval.csv").read_text().splitlines())
    assert row["best_dev_acc"] == ""
    told = json.loads((tmp_path / "out/evaluation.json").read_text())
    # The 2017 code's K, and no more than there are candidates.
    assert (told["run"], told["k"], row["topk"]) == ("", 6, "4")


def test_a_checkpoint_of_a_step_finds_the_log_above_it(trained, tmp_path):
    arguments = [str(trained.run / "checkpoints/00000010.pt"), "--features", trained.part("test"), *trained.text]
    assert main(["evaluate", *arguments, "--out", str(tmp_path)]) == 0
    (row,) = csv.DictReader((tmp_path / "eval.csv").read_text().splitlines())
    candidates = json.loads((trained.run / "selection.json").read_text())["candidates"]
    assert (row["step"], float(row["best_dev_acc"])) == ("10", candidates[0]["accuracy@k"])


def test_all_missing_files_are_reported_at_once(refused, tmp_path):
    files = [tmp_path / name for name in ("best.pt", "test.hdf5", "d.csv", "w.hdf5")]
    told = refused(
        "evaluate", files[0], "--features", files[1], "--descriptions", files[2], "--words", files[3], "--out", tmp_path
    )
    assert told == [f"{path} does not exist; check the path." for path in files]


def call(trained, out, **changes):
    """Return the arguments of an evaluation that differs in one file."""
    files = {
        "checkpoint": trained.best,
        "features": trained.part("test"),
        "descriptions": trained.text[1],
        "words": trained.text[3],
        **changes,
    }
    named = [each for name in ("features", "descriptions", "words") for each in (f"--{name}", files[name])]
    return ["evaluate", files["checkpoint"], *named, "--out", out]


def test_features_of_another_width_are_reported(trained, tmp_path, refused):
    write_part(tmp_path / "wide.hdf5", np.ones((3, 17)), [0, 1, 2])
    (told,) = refused(*call(trained, tmp_path / "out", features=tmp_path / "wide.hdf5"))
    assert "wide.hdf5 has features of 17 numbers, but the checkpoint was trained on features of 16" in told
    assert not (tmp_path / "out").exists()


def test_a_label_without_description_is_reported(trained, tmp_path, refused):
    write_part(tmp_path / "more.hdf5", np.ones((2, 16)), [0, 9])
    (told,) = refused(*call(trained, tmp_path / "out", features=tmp_path / "more.hdf5"))
    assert "label 9" in told
    assert "describes the labels 0 to 5" in told


def test_a_class_that_is_not_a_candidate_is_reported_with_advice(trained, tmp_path, refused):
    (told,) = refused(*call(trained, tmp_path / "out", features=trained.part("ood")))
    assert "label 4, 5, which the checkpoint was not trained on; add `--candidates seen+own` or `own`" in told


def test_a_file_without_an_image_is_reported(trained, tmp_path, refused):
    write_part(tmp_path / "none.hdf5", np.ones((0, 16)), [])
    (told,) = refused(*call(trained, tmp_path / "out", features=tmp_path / "none.hdf5"))
    assert "contains no images" in told


def test_words_of_another_width_are_reported(trained, tmp_path, refused):
    write_words(tmp_path / "words.hdf5", ["ant", "bee", "cat", "dog", "elk", "fox"], width=21)
    (told,) = refused(*call(trained, tmp_path / "out", words=tmp_path / "words.hdf5"))
    assert "vectors of 21 numbers" in told


def test_descriptions_that_lack_a_class_trained_on_are_reported(trained, tmp_path, refused):
    write_descriptions(tmp_path / "few.csv", ["ant", "bee", "cat"])
    (told,) = refused(*call(trained, tmp_path / "out", descriptions=tmp_path / "few.csv"))
    assert "was trained on label 3" in told


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_checkpoint_is_reported(trained, tmp_path, refused, damage):
    content = (trained.run / "best.pt").read_bytes()
    (tmp_path / "bad.pt").write_bytes({"cut": content[:-2000], "text": b"no checkpoint\n", "empty": b""}[damage])
    (told,) = refused(*call(trained, tmp_path / "out", checkpoint=tmp_path / "bad.pt"))
    assert "bad.pt" in told


def test_a_checkpoint_that_lacks_something_is_reported(trained, tmp_path, refused):
    import torch

    values = torch.load(trained.best, weights_only=True)
    del values["scales"]
    torch.save(values, tmp_path / "lacking.pt")
    (told,) = refused(*call(trained, tmp_path / "out", checkpoint=tmp_path / "lacking.pt"))
    assert "is not a valid checkpoint: it has no scales; use an unmodified checkpoint from Parley" in told


def test_feature_files_that_are_not_hdf5_are_reported(trained, tmp_path, refused):
    (tmp_path / "text.hdf5").write_text("no HDF5")
    (told,) = refused(*call(trained, tmp_path / "out", features=tmp_path / "text.hdf5"))
    assert "text.hdf5 is not a valid HDF5 file" in told


def test_the_folder_of_a_run_is_not_written_into(trained, refused):
    before = sorted(trained.run.iterdir())
    (told,) = refused(*call(trained, trained.run))
    assert "is the folder of a run" in told
    assert sorted(trained.run.iterdir()) == before


def test_a_run_that_diverged_is_reported(trained, tmp_path, refused):
    import torch

    values = torch.load(trained.best, weights_only=True)
    next(iter(values["agents"]["receiver"].values())).fill_(float("nan"))
    torch.save(values, tmp_path / "nan.pt")
    (told,) = refused(*call(trained, tmp_path / "out", checkpoint=tmp_path / "nan.pt"))
    assert "the run diverged" in told


def test_classes_of_another_experiment_are_reported(trained, tmp_path, caplog):
    experiment = tmp_path / "results/easy"
    shutil.copytree(trained.run, experiment / "runs/tiny/6")
    for name in ("descriptions.csv", "words.hdf5"):
        shutil.copy(trained.folder / name, experiment)
    checkpoint = experiment / "runs/tiny/6/best.pt"
    assert main([str(one) for one in call(trained, tmp_path / "out", checkpoint=checkpoint)]) == 0
    assert "The candidates are ant, bee, cat and dog." in caplog.text
    assert "differ from those in" not in caplog.text
    write_descriptions(tmp_path / "swapped.csv", ["bee", "ant", "cat", "dog"])
    arguments = call(trained, tmp_path / "out", checkpoint=checkpoint, descriptions=tmp_path / "swapped.csv")
    assert main([str(one) for one in arguments]) == 0
    assert f"The classes differ from those in {experiment}, on which" in caplog.text
    assert "label 0 is 'bee', not 'ant' and 1 more" in caplog.text


def test_other_word_vectors_are_reported(trained, tmp_path, caplog):
    experiment = tmp_path / "results/easy"
    shutil.copytree(trained.run, experiment / "runs/tiny/6")
    for name in ("descriptions.csv", "words.hdf5"):
        shutil.copy(trained.folder / name, experiment)
    with h5py.File(experiment / "words.hdf5", "a") as file:
        file["vector"][...] = 2 * file["vector"][:]
    assert (
        main([str(one) for one in call(trained, tmp_path / "out", checkpoint=experiment / "runs/tiny/6/best.pt")]) == 0
    )
    assert "'ant' has a different description or different word vectors and 3 more" in caplog.text


@pytest.mark.parametrize("names", [[b"same"] * 6, [b""] * 6])
def test_images_that_share_a_name_are_reported(trained, tmp_path, caplog, names):
    path = tmp_path / "part.hdf5"
    write_part(path, np.zeros((6, 16)), [0, 1, 2, 3, 0, 1])
    with h5py.File(path, "a") as file:
        file.pop("Key", None)
        del file["Location"]
        file["Location"] = np.array(names, "S4")
    assert main([str(one) for one in call(trained, tmp_path / "out", features=path)]) == 0
    assert "part.hdf5: 5 of 6 images share their name" in caplog.text
