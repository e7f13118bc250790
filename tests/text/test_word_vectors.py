import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.text.descriptions import Description
from parley.text.word_vectors import Words, description_matrix, description_tensor, read_words, write_words

WORDS = Words(
    ["large", "feline", "mane", "crab"],
    np.array([[1, 2], [0, 0], [3, -4], [5, 5]], np.float32),
    np.array([True, False, True, True]),
)
ROWS = [Description(0, "lion", "large feline with a mane, large"), Description(1, "crab", "a crab")]


def test_written_words_are_read_back(tmp_path):
    write_words(tmp_path / "w.hdf5", WORDS._replace(words=["large", "Löwe", "mane", "crab"]), "x", "y")
    words = read_words(tmp_path / "w.hdf5")
    assert words.words == ["large", "Löwe", "mane", "crab"]
    np.testing.assert_array_equal(words.vectors, WORDS.vectors)
    np.testing.assert_array_equal(words.found, WORDS.found)


def test_the_mean_ignores_words_without_a_vector():
    np.testing.assert_allclose(description_matrix(ROWS, WORDS), [[2, -1], [5, 5]])


def test_the_set_keeps_words_without_a_vector_as_zeros():
    vectors, is_word = description_tensor(ROWS, WORDS)
    np.testing.assert_array_equal(vectors, [[[1, 2], [0, 0], [3, -4]], [[5, 5], [0, 0], [0, 0]]])
    np.testing.assert_array_equal(is_word, [[True, True, True], [True, False, False]])
    assert vectors.dtype == np.float32


def test_a_word_missing_from_the_file_is_reported():
    with pytest.raises(ParleyError, match="'zebra' of class 'zebra'"):
        description_matrix([Description(0, "zebra", "a zebra")], WORDS)


def test_a_description_without_a_vector_is_reported():
    with pytest.raises(ParleyError, match="No word of the description of 'cat'"):
        description_matrix([Description(0, "cat", "feline")], WORDS)


def foreign(path):
    with h5py.File(path, "w") as file:
        file["other"] = [1]


def uneven(path):
    write_words(path, WORDS, "", "")
    with h5py.File(path, "a") as file:
        del file["found"]
        file["found"] = [True]


def truncated(path):
    write_words(path, WORDS, "", "")
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    "damage", [foreign, uneven, truncated, lambda path: path.write_text("text"), lambda path: None]
)
def test_damaged_files_are_reported(tmp_path, damage):
    damage(tmp_path / "w.hdf5")
    with pytest.raises(ParleyError, match=r"w\.hdf5"):
        read_words(tmp_path / "w.hdf5")


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("vector", WORDS.vectors.astype(np.int64), "vector is int64; it must be floats"),
        ("vector", WORDS.vectors.astype("S4"), r"vector is \|S4; it must be floats"),
        ("vector", WORDS.vectors.astype(np.complex64), "vector is complex64; it must be floats"),
        ("vector", WORDS.vectors[:, 0], "differ in length"),
        ("vector", WORDS.vectors * np.nan, "vector contains numbers that are not finite"),
        ("found", np.arange(4), "found is int64; it must be boolean, or 0 and 1"),
        ("found", np.array([0.5] * 4), "found is float64"),
        ("found", np.array([b"1"] * 4), r"found is \|S1"),
        ("found", 1, "differ in length"),
        ("word", np.arange(4), "word is int64; it must be text"),
        ("word", np.array([b"a", b"b", b"a", b"c"]), "the word 'a' is repeated"),
    ],
)
def test_other_types_and_values_are_refused_by_name(tmp_path, name, values, told):
    write_words(tmp_path / "w.hdf5", WORDS, "", "")
    with h5py.File(tmp_path / "w.hdf5", "a") as file:
        del file[name]
        file[name] = values
    with pytest.raises(ParleyError, match=f"w.hdf5: .*{told}.*; make or download it again"):
        read_words(tmp_path / "w.hdf5")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("found", WORDS.found.astype(np.uint8)),
        ("vector", WORDS.vectors.astype(np.float16)),
        ("vector", WORDS.vectors.astype(">f8")),
        ("word", WORDS.words),
    ],
)
def test_reads_words_written_by_other_programs(tmp_path, name, values):
    write_words(tmp_path / "w.hdf5", WORDS, "", "")
    with h5py.File(tmp_path / "w.hdf5", "a") as file:
        del file[name]
        file[name] = values
    words = read_words(tmp_path / "w.hdf5")
    assert words.words == WORDS.words
    np.testing.assert_array_equal(words.vectors, WORDS.vectors)
    np.testing.assert_array_equal(words.found, WORDS.found)
