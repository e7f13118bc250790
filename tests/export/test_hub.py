"""Dialogues as a dataset of the Hugging Face Hub: every cell, the card, and uploads to a server on loopback."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hub_server import TOKEN, hub_server
from made_runs import Talk, write_messages

from parley.core.errors import ParleyError
from parley.export.hub import dialogue_table, write_dataset
from parley.export.hub_card import CardFacts, read_citation, rights_in, with_licence
from parley.export.upload import upload
from parley.metrics.conversations import read_conversations

ROOT = Path(__file__).parents[2]
SCORES = [[0.0, np.log(3.0)], [np.log(3.0), 0.0]]
TALKS = [
    Talk("k1", 0, SCORES, 1, sender=[[0, 1, 1], [1, 1, 1]], receiver_probs=[[0.9, 0.1, 0.2], [0.7, 0.1, 0.6]]),
    Talk("k2", 1, SCORES, 2, sender=[[1, 0, 0], [0, 0, 1]], receiver_probs=[[0.1, 0.9, 0.2], [0.7, 0.1, 0.6]]),
]
NUMBERS = [Talk("k1", 0, SCORES, 2, sender=[[0.5, -1.5]] * 2, receiver_probs=[[2.5, 3.5]] * 2)]
GAME = {"channel": "bernoulli", "message_bits": 3, "max_exchanges": 2}
ROW = {
    "run": "bits",
    "part": "test",
    "metric": "accuracy@1",
    "mean": "0.5",
    "low": "0.25",
    "high": "0.75",
    "chance": "0.5",
    "n_seeds": "2",
    "seeds_failed": "1",
}
FACTS = CardFacts(
    "made",
    {"bits": GAME, "numbers": {**GAME, "channel": "continuous", "message_bits": 2}},
    [ROW],
    [{"run": "bits", "seed": 3, "why": "The loss is no longer finite."}],
    "**The images belong to their owners.**",
    read_citation(ROOT / "CITATION.cff"),
)


@pytest.fixture
def folder(tmp_path):
    """An exported dataset with two runs, one of which has two seeds and two splits."""
    paths = [
        write_messages(tmp_path / "1.hdf5", TALKS, ["cat", "dog"], bits=3, run="bits", seed=1),
        write_messages(tmp_path / "2.hdf5", TALKS, ["cat", "dog"], bits=3, run="bits", seed=1, part="ood_alone"),
        write_messages(tmp_path / "3.hdf5", TALKS, ["cat", "dog"], bits=3, run="bits", seed=2),
        write_messages(tmp_path / "4.hdf5", NUMBERS, ["cat", "dog"], bits=2, run="numbers", seed=1, continuous=True),
    ]
    write_dataset(paths, {"cat": "felid"}, FACTS, tmp_path / "results/made/export/hub")
    return tmp_path / "results/made/export/hub"


def front_of(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.split("---\n")[1])


def test_every_cell_of_a_dialogue(tmp_path):
    path = write_messages(tmp_path / "m.hdf5", TALKS, ["cat", "dog"], bits=3, seed=7)
    table = dialogue_table(read_conversations(path), {"cat": "felid"})
    first, second = table.to_pylist()
    assert first == {
        "seed": 7,
        "key": "k1",
        "class": "cat",
        "label_id": 0,
        "group": "felid",
        "length": 1,
        "sender_messages": [[0, 1, 1]],
        "receiver_messages": [],
        "go_on_probabilities": pytest.approx([0.1]),
        "predicted": "dog",
        "predicted_probability": pytest.approx(0.75),
        "rank": 2,
        "target_probability": pytest.approx(0.25),
    }
    assert second["sender_messages"] == [[1, 0, 0], [0, 0, 1]]
    assert second["receiver_messages"] == [[0, 1, 0]]
    assert second["go_on_probabilities"] == pytest.approx([0.9, 0.1])
    assert (second["group"], second["predicted"], second["rank"]) == (None, "cat", 2)
    assert table.schema.field("sender_messages").type == pa.list_(pa.list_(pa.int8()))


def test_each_run_and_split_has_a_file_with_all_seeds(folder):
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "README.md",
        "data/bits/ood_alone.parquet",
        "data/bits/test.parquet",
        "data/numbers/test.parquet",
    ]
    table = pq.read_table(folder / "data/bits/test.parquet")
    assert table["seed"].to_pylist() == [1, 1, 2, 2]
    (row,) = pq.read_table(folder / "data/numbers/test.parquet").to_pylist()
    assert (row["sender_messages"], row["receiver_messages"]) == ([[0.5, -1.5]] * 2, [[2.5, 3.5]])


def test_the_card_has_what_the_hub_reads(folder):
    front = front_of(folder)
    assert front["license"] == "unknown"
    assert front["size_categories"] == ["n<1K"]
    assert [one["config_name"] for one in front["configs"]] == ["bits", "numbers"]
    assert front["configs"][0]["default"]
    for config in front["configs"]:
        for file in config["data_files"]:
            assert (folder / file["path"]).is_file()
    features = {one["name"]: one for one in front["dataset_info"][0]["features"]}
    assert features["sender_messages"] == {"name": "sender_messages", "list": {"list": "int8"}}
    assert features["rank"] == {"name": "rank", "dtype": "float64"}


def test_the_card_says_what_is_known(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| bits | test | 0.500 [0.250, 0.750] | 0.500 | 2 | 1 |" in card
    assert "Seed 3 of run bits failed and has no dialogues: The loss is no longer finite." in card
    assert "No licence of the dialogues has been stated." in card
    assert "**The images belong to their owners.**" in card
    assert "@inproceedings{evtimova2018emergent," in card
    assert "author = {Evtimova, Katrina and " in card
    stated = with_licence(card, "cc-by-4.0")
    assert yaml.safe_load(stated.split("---\n")[1])["license"] == "cc-by-4.0"
    assert "No licence" not in stated


def test_rights_are_those_of_the_data_card():
    assert rights_in("# Data card\n\n## Rights\n\nNobody's.\n\n## Source\n\nx\n") == "Nobody's."
    assert rights_in("# Another page\n") == ""


@pytest.mark.slow
def test_datasets_reads_the_folder(folder, tmp_path):
    pytest.importorskip("datasets")
    program = """
import sys
from datasets import List, Value, get_dataset_config_names, load_dataset
folder = sys.argv[1]
assert get_dataset_config_names(folder) == ["bits", "numbers"]
found = load_dataset(folder, "bits")
assert {name: split.num_rows for name, split in found.items()} == {"test": 4, "ood_alone": 2}
assert found["test"].features["sender_messages"] == List(List(Value("int8")))
assert found["test"][1]["sender_messages"] == [[1, 0, 0], [0, 0, 1]]
assert load_dataset(folder, split="test")["seed"][:] == [1, 1, 2, 2]
assert load_dataset(folder, "numbers", split="test")[0]["sender_messages"] == [[0.5, -1.5]] * 2
"""
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], env={**os.environ, **offline}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def push(tmp_path, monkeypatch):
    """Call `parley push-dataset` with a server in place of the Hub."""
    pytest.importorskip("huggingface_hub")
    with hub_server() as hub:
        settings = {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_TOKEN": TOKEN,
        }

        def call(results, *options, **changed):
            command = [sys.executable, "-m", "parley.cli.main", "push-dataset", str(results), *options]
            environment = {**os.environ, **settings, **changed}
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

        call.hub = hub
        yield call


def test_an_upload_replaces_the_card_and_the_files(folder, push):
    results = folder.parents[1]
    done = push(results, "someone/dialogues", "--license", "cc-by-4.0")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(f"{push.hub.address}/datasets/someone/dialogues has the dialogues of {results}.\n")
    files = push.hub.files["someone/dialogues"]
    assert sorted(files) == [
        "README.md",
        "data/bits/ood_alone.parquet",
        "data/bits/test.parquet",
        "data/numbers/test.parquet",
    ]
    assert files["data/bits/test.parquet"] == (folder / "data/bits/test.parquet").read_bytes()
    assert b"license: cc-by-4.0\n" in files["README.md"]
    assert b'load_dataset("someone/dialogues", "bits", split="test")' in files["README.md"]
    assert front_of(folder)["license"] == "unknown"
    assert push.hub.private["someone/dialogues"]
    (folder / "data/numbers/test.parquet").unlink()
    (folder / ".snakemake_timestamp").touch()
    assert push(results, "someone/dialogues").returncode == 0
    assert sorted(files) == ["README.md", "data/bits/ood_alone.parquet", "data/bits/test.parquet"]


@pytest.mark.parametrize(
    ("changed", "options", "told"),
    [
        ({"HF_TOKEN": ""}, ["a/b"], "Nobody is logged in to the Hugging Face Hub; run `uv run hf auth login`, or set"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, ["a/b"], "The upload to a/b failed: "),
        ({"HF_TOKEN": "hf_of_another"}, ["a/b"], "The upload to a/b failed: "),
        ({}, ["a/b/c"], "'a/b/c' is not a name of a dataset, ORG/NAME: "),
    ],
)
def test_what_prevents_an_upload_is_reported_and_the_folder_stays(folder, push, changed, options, told):
    done = push(folder.parents[1], *options, **changed)
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
    assert (folder / "README.md").is_file()
    assert push.hub.files == {}


def test_without_the_package_the_folder_is_named(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    for name in [name for name in sys.modules if name.split(".")[0] == "huggingface_hub"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ParleyError) as error:
        upload(folder, "a/b")
    (told,) = error.value.findings
    assert told == (
        "The package huggingface_hub is not installed; install it (`uv sync --extra hub`) to upload. "
        f"{folder} has the dataset, as Parquet files that `datasets.load_dataset` reads from there."
    )


def test_without_an_export_the_command_that_makes_it_is_named(tmp_path):
    with pytest.raises(ParleyError, match="make it with `uv run snakemake --cores all hub`"):
        upload(tmp_path, "a/b")
