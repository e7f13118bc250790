"""Large arrays are processed in blocks of rows: the same results to the last bit, in little memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import Talk, write_messages

from parley.export.tidy import tidy_columns
from parley.metrics import exchanges
from parley.metrics.analysis import analyse_part
from parley.metrics.conversations import read_conversations
from parley.metrics.exchanges import hits, nll_nats, row_blocks, target_ranks
from parley.metrics.influence import prediction_shift
from parley.metrics.information import information_gained, prediction_entropy_bits
from parley.report.browser.arrays import dialogue_arrays


@given(st.integers(0, 50), st.lists(st.integers(0, 9), max_size=2), st.integers(1, 60))
def test_blocks_cover_all_rows_once_within_the_limit(rows, width, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchanges, "MOST_NUMBERS", most)
        found = list(row_blocks((rows, *width)))
    assert found
    assert np.concatenate([np.arange(rows)[block] for block in found]).tolist() == list(range(rows))
    each = int(np.prod(width, dtype=int))
    assert all((block.stop - block.start) * each <= most or block.stop - block.start == 1 for block in found)


def recorded(path, images, exchanges, candidates):
    """Write dialogues with random scores, some of them tied."""
    draw = np.random.default_rng(1)
    scores = draw.normal(size=(images, exchanges, candidates)).round(1)
    talks = [
        Talk(f"k{number:06}", int(draw.integers(candidates)), scores[number].tolist(), 1 + number % exchanges)
        for number in range(images)
    ]
    return write_messages(path / "messages.hdf5", talks, [f"class {label}" for label in range(candidates)], bits=3)


def indices(conversations):
    return {key: number for number, key in enumerate(conversations.keys)}


def everything(conversations):
    """Everything that is computed from all scores."""
    targets = np.broadcast_to(conversations.targets[:, None], conversations.talking.shape)
    arrays, _ = dialogue_arrays(conversations, np.array([4, 0, 7]), indices(conversations))
    columns = tidy_columns(conversations, {})
    return {
        "hits": hits(conversations.scores, targets, 2),
        "ranks": target_ranks(conversations.scores, targets),
        "nll": nll_nats(conversations.scores, targets),
        "entropy": prediction_entropy_bits(conversations.scores),
        "gain": information_gained(conversations.scores, conversations.targets),
        "shift": np.array(prediction_shift(conversations.final_scores, conversations.scores[:, 0])),
        **{f"page, {name}": values for name, values in arrays.items()},
        **{f"table, {name}": values.cells for name, values in columns.items()},
    }


def test_the_block_size_does_not_change_results(tmp_path, monkeypatch):
    conversations = read_conversations(recorded(tmp_path, 9, 3, 7))
    whole = everything(conversations)
    for most in (1, 22, 100):
        monkeypatch.setattr(exchanges, "MOST_NUMBERS", most)
        for name, values in everything(conversations).items():
            np.testing.assert_array_equal(values, whole[name], err_msg=f"{name}, blocks of {most}")


def test_targets_must_broadcast_to_the_cases():
    scores = np.arange(24.0).reshape(2, 3, 4)
    for shape in ((3, 2), (5,), (2, 4)):
        with pytest.raises(ValueError, match="broadcast"):
            hits(scores, np.zeros(shape, dtype=np.int64), 1)
        with pytest.raises(ValueError, match="broadcast"):
            nll_nats(scores, np.zeros(shape, dtype=np.int64))
    assert target_ranks(scores, np.array([[3], [0]])).tolist() == [[1, 1, 1], [4, 4, 4]]


def test_no_dialogue_gives_empty_results(tmp_path):
    conversations = read_conversations(recorded(tmp_path, 9, 3, 7))
    arrays, _ = dialogue_arrays(conversations, np.array([], dtype=np.int64), {})
    assert {name: len(values) for name, values in arrays.items()} == dict.fromkeys(arrays, 0)
    assert hits(conversations.scores[:0], np.zeros((0, 3), dtype=np.int64), 1).shape == (0, 3)


def peak(work):
    """Return the result of a function, and its peak of additional memory in bytes."""
    tracemalloc.start()
    try:
        found = work()
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_scores_are_not_copied(tmp_path, monkeypatch):
    """Scores in the order of the file are not copied, and no result is as large."""
    path = recorded(tmp_path, 60, 12, 2000)
    size = 4 * 60 * 12 * 2000
    monkeypatch.setattr(exchanges, "MOST_NUMBERS", 20_000)
    conversations, reading = peak(lambda: read_conversations(path))
    assert reading < 1.5 * size
    for work in (
        lambda: analyse_part(conversations, 3),
        lambda: dialogue_arrays(conversations, np.arange(60), indices(conversations)),
        lambda: information_gained(conversations.scores, conversations.targets),
    ):
        assert peak(work)[1] < 0.8 * size
