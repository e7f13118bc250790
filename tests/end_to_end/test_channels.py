"""Each way to send a message, through the whole line: trained, played, written down, analysed and reported."""

import csv
import json
from itertools import combinations

import h5py
import numpy as np
import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow
CHANNELS = ("bernoulli", "straight_through", "gumbel", "continuous", "continuous_original")


@pytest.fixture(scope="module")
def project(finished):
    return finished


def test_workflow_for_every_channel(project):
    runs = [{"name": channel, "game": {"channel": channel}} for channel in CHANNELS]
    config = project.write_config("channels", **{**TINY, "seeds": [1], "runs": runs})
    project.snakemake("--cores", "2", config=config)
    results = project.folder / "results/channels"
    page = (results / "report.html").read_text()
    assert page.count("messages are real numbers, not bits") == 2
    for channel in CHANNELS:
        own = results / "runs" / channel / "1"
        continuous = channel.startswith("continuous")
        with h5py.File(own / "messages.hdf5") as file:
            said = file["Communication"][:]
        bits = np.isin(said["BinaryVec"], (0, 1)).all()
        assert bits != continuous
        assert said["BinaryVec"].dtype.kind == ("f" if continuous else "i")
        assert np.array_equal(said["BinaryVec"], said["BinaryProb"]) == continuous
        part = json.loads((own / "analysis.json").read_text())["parts"]["test"]
        assert part["failed"] is None
        assert (part["by_exchange"]["sender_entropy_bits_all"] is None) == continuous
        assert part["messages"]["distinct"] > 1
    assert project.planned(config) == set()


def test_the_messages_of_every_channel_are_measured_as_languages(project):
    config = project.folder / "channels.yaml"
    project.snakemake("--cores", "2", "language", config=config)
    with (project.folder / "results/channels/language.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["run"] for row in rows} == set(CHANNELS)
    parts = {"dev", "test", "ood", "ood_alone"}
    assert {row["part"] for row in rows} == parts
    for row in rows:
        bits_needed = row["metric"] in ("information", "information_corrected", "message_entropy", "dead_bits")
        if bits_needed and row["run"].startswith("continuous"):
            assert (row["mean"], row["seeds_failed"]) == ("", "1"), row
    assert project.planned(config, "language") == set()


def test_every_two_channels_are_compared(project):
    config = project.folder / "channels.yaml"
    project.snakemake("--cores", "2", "comparisons", config=config)
    with (project.folder / "results/channels/comparisons.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    of_test = [row for row in rows if (row["part"], row["metric"]) == ("test", "accuracy@1")]
    assert [(row["first"], row["second"]) for row in of_test] == list(combinations(CHANNELS, 2))
    assert {(row["n_seeds"], row["t_p"]) for row in rows} == {("1", "")}  # one seed tells nothing


def test_interventions_for_every_channel(project):
    config = project.folder / "channels.yaml"
    project.snakemake("--cores", "2", "interventions", config=config)
    results = project.folder / "results/channels"
    with (results / "interventions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["part"] for row in rows} == {"test", "ood"}
    for channel in CHANNELS:
        own = [row for row in rows if row["run"] == channel]
        flips = {row["intervention"] for row in own if row["intervention"].startswith("flipped")}
        assert bool(flips) != channel.startswith("continuous")
        evaluation = json.loads((results / "runs" / channel / "1/evaluation.json").read_text())
        for row in own:
            if (row["intervention"], row["metric"]) in (("none", "accuracy@1"), ("none", "length")):
                assert float(row["mean"]) == evaluation["parts"][row["part"]][row["metric"]]
    assert project.planned(config, "interventions") == set()


def test_difficulty_needs_no_messages(project):
    config = project.folder / "channels.yaml"
    project.snakemake("--cores", "2", "difficulty", config=config)
    with (project.folder / "results/channels/difficulty.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["part"], row["n"]) for row in rows} == {("train", "6"), ("dev", "2"), ("test", "2")}
    assert len(rows) == 3 * 4  # the unseen classes have no row
    overall = json.loads((project.folder / "results/channels/difficulty.json").read_text())
    assert overall["parts"]["train"]["accuracy"] > 0.9
    assert project.planned(config, "difficulty") == set()
