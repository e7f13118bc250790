"""Descriptions encoded whole: a tiny encoder through every stage, and what runs again when it changes."""

import csv
import json

import h5py
import numpy as np
import pytest
from made_encoders import WIDTH, sentence_encoder
from tiny_runs import TINY

from parley.cli.main import main

pytestmark = pytest.mark.slow

RUNS = [{"name": "whole"}, {"name": "attending", "game": {"description_attention": True}}]
TEXT = {"encode_descriptions"}
BEFORE = {"build_descriptions", "draw_world", "fetch_images", "extract_features", "gather_features", "settle"}


@pytest.fixture(scope="module")
def project(finished):
    pytest.importorskip("sentence_transformers")
    # Evaluation reads other descriptions: each class is described as the next one is.
    with (finished.folder / "results/tiny/descriptions.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    with (finished.folder / "other.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(
            [*row[:2], f"{after[2]} indeed"] for row, after in zip(rows, rows[1:] + rows[:1], strict=True)
        )
    sentence_encoder(finished.folder / "models/tiny")
    return finished


def config_of(project, **descriptions):
    values = {**TINY, "seeds": [1], "runs": RUNS, "evaluation": {**TINY["evaluation"], "keep_attention": True}}
    return project.write_config("encoded", **values, descriptions={"evaluation": "other.csv", **descriptions})


@pytest.fixture(scope="module")
def encoded(project):
    """The config of a finished experiment with the encoder."""
    config = config_of(project, encoder="sentence-transformers/models/tiny")
    project.snakemake("--cores", "2", config=config)
    return config


def test_every_stage_reads_the_encoders_vectors(project, encoded):
    results = project.folder / "results/encoded"
    with h5py.File(results / "words.hdf5") as file:
        texts = [one.decode() for one in file["description"]]
        assert file["vector"].shape == (len(texts), WIDTH)
        assert file.attrs["source"] == "sentence-transformers/tiny"
    for name in ("results/tiny/descriptions.csv", "other.csv"):
        with (project.folder / name).open(newline="") as stream:
            assert {row[2] for row in csv.reader(stream)} <= set(texts)
    for run in RUNS:
        log = (results / f"runs/{run['name']}/1/metrics.jsonl").read_text().splitlines()
        losses = [row["nll"] for row in map(json.loads, log) if row["kind"] == "train"]
        assert len(losses) > 1
        assert np.isfinite(losses).all()
    language = (results / "language.csv").read_text()
    assert "whole" in language
    assert "attending" in language
    report = (results / "report.html").read_text()
    assert "Every word of the descriptions has a" not in report


def test_attention_is_to_the_encoders_tokens(project, encoded):
    with h5py.File(project.folder / "results/encoded/runs/attending/1/attention.hdf5") as file:
        words = file["Words"].asstr()[:].tolist()
        assert file["Receiver"].shape[2:] == np.shape(words)
        np.testing.assert_allclose(file["Receiver"][:].astype(float).sum(-1), 1, atol=2e-3)
    for row in words:
        tokens = [word for word in row if word]
        assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")


def test_a_checkpoint_is_evaluated_on_its_own_files(project, encoded, monkeypatch):
    monkeypatch.chdir(project.folder)
    folder = "results/encoded"
    for run in ("whole", "attending"):
        text = ["--descriptions", f"{folder}/descriptions.csv", "--words", f"{folder}/words.hdf5"]
        data = ["--features", f"{folder}/test.hdf5", "--out", f"again/{run}"]
        assert main(["evaluate", f"{folder}/runs/{run}/1/best.pt", *data, *text]) == 0
        found = json.loads((project.folder / f"again/{run}/evaluation.json").read_text())["parts"]["test"]
        assert np.isfinite(found["nll"])


def test_a_change_of_the_encoder_reruns_the_text_stage_and_what_follows(project, encoded):
    assert project.planned(encoded) == set()
    weights = project.folder / "models/tiny/config.json"
    before = weights.read_text()
    weights.write_text(before + "\n")
    assert project.changed(encoded, "words") == TEXT
    following = project.planned(encoded)
    assert {"encode_descriptions", "train_run", "evaluate_run", "measure_language"} <= following
    assert not {name.removesuffix("_0000") for name in following} & BEFORE
    weights.write_text(before)
    assert project.planned(encoded) == set()
    to_words = config_of(project)
    assert project.changed(to_words, "words") == {"embed_words"}
    assert not {name.removesuffix("_0000") for name in project.planned(to_words)} & BEFORE
    config_of(project, encoder="sentence-transformers/models/tiny")


def test_settings_of_words_have_no_effect_with_an_encoder(project):
    config = project.write_config(
        "both",
        **TINY,
        words={"source": "random", "seed": 3},
        descriptions={"encoder": "sentence-transformers/models/tiny"},
    )
    told = project.snakemake("-n", config=config, ok=False)
    assert "Config: words.seed has no effect, because descriptions.encoder is sentence-transformers/models/tiny" in told
    assert "words.source" not in told
