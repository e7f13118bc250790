import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.text.description_vectors import Encoding, read_description_vectors, read_tokens, write_encodings
from parley.text.descriptions import Description
from parley.text.word_vectors import Words, description_matrix, description_tensor, write_words

LION, CRAB = Description(0, "lion", "a large feline"), Description(3, "crab", "Krustentier, gepanzert")
LENGTHS = {LION.text: 3, CRAB.text: 5}


def encoding(text, with_tokens=True):
    draw = np.random.default_rng(len(text))
    tokens = draw.normal(size=(LENGTHS[text], 4)).astype(np.float32)
    names = [f"ü{number}" for number in range(len(tokens))]
    return Encoding(draw.normal(size=6).astype(np.float32), names, tokens if with_tokens else None)


def write(path, with_tokens=True):
    texts = [CRAB.text, LION.text]
    write_encodings(path, texts, [encoding(text, with_tokens) for text in texts], "an encoder", "0123")
    return path


def test_descriptions_are_found_by_their_text_in_any_order(tmp_path):
    path = write(tmp_path / "words.hdf5")
    for rows in ([LION, CRAB], [CRAB, LION], [LION, LION._replace(label="cat")]):
        vectors, tokens, is_token = read_description_vectors(path, rows)
        np.testing.assert_array_equal(vectors, [encoding(row.text).vector for row in rows])
        assert vectors.dtype == np.float32
        assert tokens is is_token is None
        assert read_tokens(path, rows) == [encoding(row.text).tokens for row in rows]
    with h5py.File(path) as file:
        assert dict(file.attrs) == {"source": "an encoder", "source_sha256": "0123"}


def test_with_attention_a_vector_is_the_mean_of_the_tokens_and_padding_is_zero(tmp_path):
    path = write(tmp_path / "words.hdf5")
    vectors, tokens, is_token = read_description_vectors(path, [LION, CRAB], attention=True)
    assert tokens.shape == (2, 5, 4)
    assert is_token.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert not tokens[~is_token].any()
    for row, own, kept in zip([LION, CRAB], tokens, is_token, strict=True):
        np.testing.assert_array_equal(own[kept], encoding(row.text).token_vectors)
    np.testing.assert_allclose(vectors, [encoding(row.text).token_vectors.mean(0) for row in (LION, CRAB)], rtol=1e-6)
    # As for words, the width is that of the longest description that is read.
    assert read_description_vectors(path, [LION], attention=True).tokens.shape == (1, 3, 4)


def test_word_vectors_are_read_as_before(tmp_path):
    words = Words(["large", "feline"], np.array([[1, 2], [3, 4]], np.float32), np.array([True, False]))
    write_words(tmp_path / "words.hdf5", words, "x", "y")
    vectors, tokens, is_token = read_description_vectors(tmp_path / "words.hdf5", [LION], attention=True)
    np.testing.assert_array_equal(vectors, description_matrix([LION], words))
    np.testing.assert_array_equal(tokens, description_tensor([LION], words)[0])
    np.testing.assert_array_equal(is_token, description_tensor([LION], words)[1])
    assert read_description_vectors(tmp_path / "words.hdf5", [LION]).tokens is None
    assert read_tokens(tmp_path / "words.hdf5", [LION]) == [["large", "feline"]]


def test_an_encoder_without_tokens_allows_no_attention(tmp_path):
    path = write(tmp_path / "words.hdf5", with_tokens=False)
    assert read_description_vectors(path, [LION]).vectors.shape == (1, 6)
    with pytest.raises(ParleyError, match=r"the encoder an encoder has no vectors of tokens.* set game\.description"):
        read_description_vectors(path, [LION], attention=True)


def test_a_description_of_another_experiment_is_reported(tmp_path):
    path = write(tmp_path / "words.hdf5")
    with pytest.raises(ParleyError, match=r"description of class 'cat' is not in .*hdf5, which belongs to other"):
        read_description_vectors(path, [LION, Description(1, "cat", "another feline")])


DAMAGE = {
    "vector": np.zeros((1, 6), np.float32),
    "token": np.zeros((2, 4), "S3"),
    "token_vector": np.full((2, 5, 4), np.nan, np.float32),
    "is_token": np.zeros((2, 5), bool),
}


@pytest.mark.parametrize("name", [*DAMAGE, "lacking"])
def test_damaged_files_are_reported(tmp_path, name):
    path = write(tmp_path / "words.hdf5")
    with h5py.File(path, "a") as file:
        if name == "lacking":
            del file["is_token"]
        else:
            del file[name]
            file[name] = DAMAGE[name]
    with pytest.raises(ParleyError, match=r"words\.hdf5"):
        read_description_vectors(path, [LION], attention=True)


def test_the_same_encodings_give_the_same_bytes(tmp_path):
    assert write(tmp_path / "a").read_bytes() == write(tmp_path / "b").read_bytes()
