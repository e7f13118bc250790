"""Corpora in the layout of the ELCC: the messages line by line, and their meanings."""

import json

import pytest
import yaml
from made_runs import Talk, make_experiment, write_messages

from parley.core.errors import ParleyError
from parley.export.corpora import write_corpora

TALKS = [
    Talk("k1", 0, [[1.0, 0.0], [1.0, 0.0]], 2, sender=[[0, 1], [1, 1]], receiver_probs=[[0.9, 0.1], [0.1, 0.1]]),
    Talk("k2", 1, [[1.0, 0.0], [0.0, 1.0]], 1, sender=[[0, 0], [1, 1]], receiver_probs=[[0.9, 0.9], [0.9, 0.9]]),
]
TEXTS = {"cat": "purrs, ü", "dog": "barks"}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def corpus(tmp_path):
    path = write_messages(tmp_path / "m.hdf5", TALKS, ["cat", "dog"], run="a.b", seed=3, bits=2)
    write_corpora([path], TEXTS, "made", True, [], tmp_path / "elcc")
    return tmp_path / "elcc/systems/made/data/a.b.seed-3.test"


def test_a_line_has_the_messages_of_an_episode(corpus):
    assert lines(corpus / "corpus.jsonl") == [[0, 1, 1, 0, 1, 1], [0, 0]]
    assert lines(corpus / "corpus.structured.jsonl") == [[[0, 1], [1, 0], [1, 1]], [[0, 0]]]


def test_lines_are_compact_and_the_folder_has_no_other_files(corpus):
    assert (corpus / "corpus.jsonl").read_text() == "[0,1,1,0,1,1]\n[0,0]\n"
    assert (corpus / "corpus.structured.jsonl").read_text() == "[[0,1],[1,0],[1,1]]\n[[0,0]]\n"
    names = {"corpus.jsonl", "corpus.structured.jsonl", "meanings.jsonl", "metadata.json"}
    assert {path.name for path in corpus.iterdir()} == names


def test_meanings_have_a_line_for_each_episode(corpus):
    first, second = lines(corpus / "meanings.jsonl")
    assert first["utterances"] == [
        {"exchange": 1, "agent": "Sender", "message": "01"},
        {"exchange": 1, "agent": "Receiver", "message": "10"},
        {"exchange": 2, "agent": "Sender", "message": "11"},
    ]
    expected = {"key": "k2", "class": "dog", "label_id": 1, "description": "barks", "predicted": "cat"}
    assert expected.items() <= second.items()
    assert first["description"] == "purrs, ü"


def test_counts_of_the_corpus(corpus):
    found = json.loads((corpus / "metadata.json").read_text())
    assert (found["lines"], found["utterances"], found["tokens"], found["tokens_per_line"]) == (2, 4, 8, 4)
    assert (found["unique_lines"], found["unique_utterances"], found["unique_tokens"]) == (2, 4, 2)
    assert found["ones"] == 4 / 8
    assert (found["vocab_size"], found["message_length"], found["max_exchanges"]) == (2, 2, 2)


def test_the_metadata_list_every_variant_and_the_runs_without_one(tmp_path):
    made = make_experiment(tmp_path, runs=("a",), seeds=(1, 2), unseen=("fox",))
    numbers = write_messages(tmp_path / "n.hdf5", TALKS, ["cat", "dog"], run="c", seed=1, bits=2, continuous=True)
    paths = [*made.files("messages.hdf5"), *made.files("messages.ood.hdf5"), numbers]
    failed = [{"run": "d", "seed": 1, "why": "It diverged."}]
    texts = dict.fromkeys([*made.labels, "fox"], "text")
    write_corpora(paths, texts, "made", False, failed, tmp_path / "elcc")
    system = tmp_path / "elcc/systems/made"
    about = yaml.safe_load((system / "metadata.yml").read_text())
    assert about == json.loads((system / "system.json").read_text())
    assert sorted(about["system"]["variants"]) == sorted(path.name for path in (system / "data").iterdir())
    assert len(about["system"]["variants"]) == 4
    assert about["system"]["data_source"] == "natural"
    assert about["parley"] == {"failed": failed, "continuous": ["c.seed-1.test"]}


def test_candidates_without_a_description_are_reported(tmp_path):
    path = write_messages(tmp_path / "m.hdf5", TALKS, ["cat", "dog"], bits=2)
    with pytest.raises(ParleyError, match=r"descriptions\.csv has no description of dog"):
        write_corpora([path], {"cat": "purrs"}, "made", True, [], tmp_path / "elcc")
