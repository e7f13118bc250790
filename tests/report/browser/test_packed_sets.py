"""What is kept of a file of messages, and how much room it takes."""

import numpy as np
import pytest
from made_browsers import Recorded, unpacked, whole_experiment
from made_runs import Talk, write_messages

from parley.core.errors import ParleyError
from parley.metrics.conversations import read_conversations
from parley.metrics.information import bit_information
from parley.report.browser.arrays import talk_arrays
from parley.report.browser.build import packed_set
from parley.report.browser.survey import part_of, survey

OF_ALL = ("class_count", "class_ones", "information")
"""Arrays that do not grow with the conversations that are shown."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return whole_experiment(tmp_path_factory.mktemp("sets"), images=3)


@pytest.mark.parametrize("whose", [("adaptive", 0), ("fixed", 0), ("numbers", 0)], ids=["bits", "attention", "numbers"])
def test_the_room_that_is_planned_is_the_room_that_is_taken(made, whose):
    path, attention = made.file(*whose), made.file(*whose, kind="attention")
    found = survey([path], [attention] if attention.exists() else [])
    (source,) = found.sources
    images = {key: number for number, key in enumerate(sorted(found.images["test"]))}
    told, _ = packed_set(source, images, {})
    sizes = {name: int(kind[1:]) * int(np.prod(shape)) for name, kind, shape, _ in told["layout"]}
    besides = sum(size for name, size in sizes.items() if name in OF_ALL)
    assert besides == source.bytes_besides
    assert sum(sizes.values()) - besides == told["shown"] * source.bytes_each
    assert (source.attention is not None) == (whose == ("fixed", 0))


def test_leaders_are_best_first_and_of_equals_the_true_one_is_last(made, tmp_path):
    talks = [Talk("a", 1, [[2.0, 2.0, 1.0]], 1), Talk("b", 0, [[0.0, 0.0, 5.0]], 1)]
    said = read_conversations(write_messages(tmp_path / "messages.hdf5", talks, ["x", "y", "z"]))
    arrays, step = talk_arrays(said, np.array([0, 1]), {"a": 0, "b": 1})
    assert arrays["top"].tolist() == [[[0, 1, 2]], [[2, 1, 0]]]
    assert arrays["rank"].tolist() == [[2], [3]]
    assert step == 0


def test_information_of_bits_is_what_the_measures_say(made):
    path = made.file("adaptive", 0)
    (source,) = survey([path], []).sources
    told, block = packed_set(source, {}, {})
    recorded = Recorded(path)
    messages = np.array([recorded.last(key) for key in recorded.keys])
    classes = np.array([recorded.target(key) for key in recorded.keys])
    found = unpacked(block)
    np.testing.assert_allclose(found["information"], bit_information(messages, classes), rtol=1e-6)
    for column in range(len(recorded.labels)):
        assert found["class_ones"][column].tolist() == messages[classes == column].sum(0).tolist()
        assert found["class_count"][column] == (classes == column).sum()
    assert told["shown"] == 0
    assert told["total"] == len(recorded.keys)


def test_parts_go_by_the_names_of_files(tmp_path):
    assert part_of(tmp_path / "messages.hdf5") == "test"
    assert part_of(tmp_path / "messages.ood_alone.hdf5") == "ood_alone"


def test_scores_that_are_no_numbers_are_told(made, tmp_path):
    path = write_messages(tmp_path / "r/1/messages.hdf5", [Talk("a", 0, [[float("nan"), 1.0]], 1)], ["x", "y"])
    (source,) = survey([path], []).sources
    told, block = packed_set(source, {"a": 0}, {})
    assert block is None
    assert "not finite" in told["failed"]


def test_what_is_no_file_of_messages_is_refused(tmp_path):
    folder = tmp_path / "r/1"
    folder.mkdir(parents=True)
    (folder / "messages.hdf5").write_text("nothing")
    with pytest.raises(ParleyError, match="cannot be read as HDF5"):
        survey([folder / "messages.hdf5"], [])
