import h5py
import numpy as np
import pytest
from made_runs import Talk, write_messages

from parley.core.errors import ParleyError
from parley.metrics.conversations import read_conversations

LABELS = ["cat", "dog", "owl"]
TALKS = [
    Talk("k1", 10, [[1, 2, 3], [9, 8, 7]], length=1, sender=[[1, 0], [0, 0]]),
    Talk("a0", 12, [[4, 5, 6], [1, 2, 3]], length=2, sender=[[0, 1], [1, 1]], wants_more=True),
]


def write(path, **how):
    return write_messages(path / "messages.hdf5", TALKS, LABELS, [10, 11, 12], bits=2, **how)


def test_reads_the_written_dialogues(tmp_path):
    found = read_conversations(write(tmp_path, run="r", seed=7))
    assert (found.run, found.seed, found.part) == ("r", 7, "test")
    assert found.keys == ("k1", "a0")
    assert found.targets.tolist() == [0, 2]
    assert found.candidate_ids == (10, 11, 12)
    assert found.labels == tuple(LABELS)
    assert found.lengths.tolist() == [1, 2]
    assert found.go_on[:, -1].tolist() == [False, True]
    assert found.sender_messages.tolist() == [[[1, 0], [0, 0]], [[0, 1], [1, 1]]]
    assert found.receiver_messages.shape == (2, 2, 2)
    # The prediction and the message that count are those of the last exchange.
    assert found.final_scores.tolist() == [[1, 2, 3], [1, 2, 3]]
    assert found.final_messages.tolist() == [[1, 0], [1, 1]]


def test_rows_are_joined_by_key_and_index_in_any_order(tmp_path):
    first = read_conversations(write(tmp_path / "a"))
    # Row 0 stays first, so that the order of the images is the same.
    mixed = read_conversations(write(tmp_path / "b", order=[0, 7, 2, 5, 4, 3, 6, 1]))
    assert mixed.keys == first.keys
    assert (mixed.scores == first.scores).all()
    assert (mixed.sender_messages == first.sender_messages).all()


def test_one_bit_and_one_exchange(tmp_path):
    path = write_messages(tmp_path / "messages.hdf5", [Talk("k", 0, [[1, 0]], 1)], ["a", "b"], bits=1)
    assert read_conversations(path).sender_messages.shape == (1, 1, 1)


def test_continuous_messages_are_read_as_numbers(tmp_path):
    talk = Talk("k", 0, [[1, 0]], 1, sender=[[-2.5, 3.0]], receiver_probs=[[0.5, 7.0]])
    found = read_conversations(write_messages(tmp_path / "messages.hdf5", [talk], ["a", "b"], bits=2, continuous=True))
    assert not found.binary
    assert found.final_messages.tolist() == [[-2.5, 3.0]]
    assert found.receiver_messages.tolist() == [[[0.5, 7.0]]]


def test_continuous_messages_must_equal_their_values(tmp_path):
    talk = Talk("k", 0, [[1, 0]], 1, sender=[[-2.5, 3.0]])
    path = write_messages(tmp_path / "messages.hdf5", [talk], ["a", "b"], bits=2, continuous=True)
    change(path, "Communication", "BinaryProb", 0, [0.5, 0.5])
    with pytest.raises(ParleyError, match="equal to the corresponding value of BinaryProb"):
        read_conversations(path)


def test_a_diverged_run_is_read(tmp_path):
    talk = Talk("k", 0, [[1, 0]], 1, sender=[[np.nan, 3.0]])
    path = write_messages(tmp_path / "messages.hdf5", [talk], ["a", "b"], bits=2, continuous=True)
    found = read_conversations(path)
    assert not found.binary
    assert not found.finite


def change(path, table, column, row, value):
    with h5py.File(path, "r+") as file:
        rows = file[table][:]
        rows[column][row] = value
        file[table][:] = rows


@pytest.mark.parametrize(
    ("table", "column", "row", "value", "sentence"),
    [
        ("Predictions", "StopMask", 0, 0, "not 1 at the first exchange"),
        ("Predictions", "StopMask", 2, 5, "StopMask has values other than 0 and 1"),
        ("Predictions", "StopVec", 0, 3, "StopVec has values other than 0 and 1"),
        ("Communication", "BinaryVec", 0, 2, "each value of BinaryVec must be 0, 1 or equal"),
        ("Predictions", "StopProb", 0, 1.5, "StopProb has values that are not probabilities"),
        ("Communication", "BinaryProb", 0, -0.5, "BinaryProb has values that are not probabilities"),
        ("Communication", "Index", 1, 0, "lacks an exchange or has one twice"),
        ("Communication", "AgentId", 0, b"R", "AgentId does not match Index"),
        ("Communication", "Target", 0, 11, "more than one Target"),
        ("Communication", "ExampleId", 0, b"zz", "rows for 3 images"),
    ],
)
def test_inconsistent_dialogues_are_refused(tmp_path, table, column, row, value, sentence):
    path = write(tmp_path)
    change(path, table, column, row, value)
    with pytest.raises(ParleyError, match=sentence) as refused:
        read_conversations(path)
    assert str(path) in str(refused.value)


def test_a_dialogue_that_continues_after_its_stop_is_refused(tmp_path):
    talks = [Talk("k", 0, [[1, 0]] * 3, 1)]
    path = write_messages(tmp_path / "messages.hdf5", talks, ["a", "b"])
    change(path, "Predictions", "StopMask", 2, 1)
    with pytest.raises(ParleyError, match="StopMask is 1 again"):
        read_conversations(path)


def test_a_target_that_is_not_a_candidate_is_refused(tmp_path):
    path = write_messages(tmp_path / "messages.hdf5", [Talk("k", 5, [[1, 0]], 1)], ["a", "b"])
    with pytest.raises(ParleyError, match="Target 5 is not among candidate_ids"):
        read_conversations(path)


def test_tables_about_different_images_are_refused(tmp_path):
    path = write(tmp_path)
    change(path, "Predictions", "ExampleId", slice(0, 2), b"zz")
    with pytest.raises(ParleyError, match="are about different images"):
        read_conversations(path)


def test_everything_missing_is_reported_at_once(tmp_path):
    path = write(tmp_path, leave_out=["labels", "seed"])
    with h5py.File(path, "r+") as file:
        del file["Predictions"]
    with pytest.raises(ParleyError) as refused:
        read_conversations(path)
    assert len(refused.value.findings) == 3


@pytest.mark.parametrize(
    ("attribute", "value", "sentence"),
    [
        ("labels", "[", "not valid JSON"),
        ("labels", '{"a": 1}', "not a list of class names"),
        ("labels", '["a"]', "does not contain 1 different label ids"),
        ("candidate_ids", [1, 1, 2], "3 different label ids"),
        ("max_exchanges", 10**12, "but Predictions has"),
        ("max_exchanges", 3, "rows for 2 images"),
        ("message_bits", 3, "BinaryVec has the shape"),
        ("seed", "seven", "not an integer"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(tmp_path, attribute, value, sentence):
    path = write(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs[attribute] = value
    with pytest.raises(ParleyError, match=sentence):
        read_conversations(path)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(ParleyError, match="does not exist"):
        read_conversations(tmp_path / "absent.hdf5")
    (tmp_path / "text.hdf5").write_text("hello")
    with pytest.raises(ParleyError, match="is not a valid file of messages"):
        read_conversations(tmp_path / "text.hdf5")


def test_an_empty_file_is_refused(tmp_path):
    path = write(tmp_path)
    with h5py.File(path, "r+") as file:
        for table in ("Communication", "Predictions"):
            kind = file[table].dtype
            del file[table]
            file[table] = np.zeros(0, kind)
    with pytest.raises(ParleyError, match="Predictions has 0 rows"):
        read_conversations(path)
