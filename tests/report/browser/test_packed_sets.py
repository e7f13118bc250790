"""The packed arrays of a message file, and their planned size."""

import numpy as np
import pytest
from made_browsers import Recorded, unpacked, whole_experiment
from made_runs import Talk, write_messages

from parley.core.errors import ParleyError
from parley.metrics.conversations import read_conversations
from parley.metrics.information import bit_information
from parley.metrics.records import part_of
from parley.report.browser.arrays import dialogue_arrays
from parley.report.browser.build import packed_set
from parley.report.browser.survey import survey

OF_ALL = ("class_count", "class_ones", "information")
"""Arrays whose size does not depend on the number of dialogues shown."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return whole_experiment(tmp_path_factory.mktemp("sets"), images=3)


@pytest.mark.parametrize("whose", [("adaptive", 0), ("fixed", 0), ("numbers", 0)], ids=["bits", "attention", "numbers"])
def test_the_planned_size_is_the_actual_size(made, whose):
    path, attention = made.file(*whose), made.file(*whose, kind="attention")
    (source,), keys = survey([path], [attention] if attention.exists() else [])
    images = {key: number for number, key in enumerate(sorted(keys["test"]))}
    entry, _ = packed_set(source, images, {})
    sizes = {name: int(kind[1:]) * int(np.prod(shape)) for name, kind, shape, _ in entry["layout"]}
    other = sum(size for name, size in sizes.items() if name in OF_ALL)
    assert other == source.other_bytes
    assert sum(sizes.values()) - other == entry["shown"] * source.bytes_each
    assert (source.attention is not None) == (whose == ("fixed", 0))


def test_leaders_are_best_first_and_of_equals_the_true_one_is_last(made, tmp_path):
    talks = [Talk("a", 1, [[2.0, 2.0, 1.0]], 1), Talk("b", 0, [[0.0, 0.0, 5.0]], 1)]
    said = read_conversations(write_messages(tmp_path / "messages.hdf5", talks, ["x", "y", "z"]))
    arrays, step = dialogue_arrays(said, np.array([0, 1]), {"a": 0, "b": 1})
    assert arrays["top"].tolist() == [[[0, 1, 2]], [[2, 1, 0]]]
    assert arrays["rank"].tolist() == [[2], [3]]
    assert step == 0


def test_information_of_bits_agrees_with_the_metric(made):
    path = made.file("adaptive", 0)
    (source,), _ = survey([path], [])
    entry, block = packed_set(source, {}, {})
    recorded = Recorded(path)
    messages = np.array([recorded.last(key) for key in recorded.keys])
    classes = np.array([recorded.target(key) for key in recorded.keys])
    found = unpacked(entry["layout"], block)
    np.testing.assert_allclose(found["information"], bit_information(messages, classes), rtol=1e-6)
    for column in range(len(recorded.labels)):
        assert found["class_ones"][column].tolist() == messages[classes == column].sum(0).tolist()
        assert found["class_count"][column] == (classes == column).sum()
    assert entry["shown"] == 0
    assert entry["total"] == len(recorded.keys)


def test_splits_come_from_file_names(tmp_path):
    assert part_of(tmp_path / "messages.hdf5") == "test"
    assert part_of(tmp_path / "messages.ood_alone.hdf5") == "ood_alone"


def test_scores_that_are_not_finite_are_reported(made, tmp_path):
    path = write_messages(tmp_path / "r/1/messages.hdf5", [Talk("a", 0, [[float("nan"), 1.0]], 1)], ["x", "y"])
    (source,), _ = survey([path], [])
    entry, block = packed_set(source, {"a": 0}, {})
    assert block == ""
    assert "not finite" in entry["failed"]


def test_a_file_that_is_not_a_message_file_is_rejected(tmp_path):
    folder = tmp_path / "r/1"
    folder.mkdir(parents=True)
    (folder / "messages.hdf5").write_text("nothing")
    with pytest.raises(ParleyError, match="cannot be read as HDF5"):
        survey([folder / "messages.hdf5"], [])
