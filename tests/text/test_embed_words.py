import hashlib
import math
import os
import struct
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.core.files import sha256_of
from parley.core.tables import read_table
from parley.evaluation.attention import word_table
from parley.text.description_vectors import read_tokens
from parley.text.descriptions import Description
from parley.text.embed_words import VectorOptions, embed_words, log_indistinguishable, random_vector
from parley.text.word_vectors import description_matrix, description_tensor, description_words, read_words

DESCRIPTIONS = [Description(0, "lion", "a large feline with a mane"), Description(1, "crab", "a large crustacean")]
FOUND = {"large": [1.0, 2.0], "mane": [3.0, -1.0], "zebra": [0.0, 1.0]}


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in FOUND.items()))
    return VectorOptions(source=str(path))


def embed(tmp_path, options, descriptions=DESCRIPTIONS):
    return embed_words(descriptions, options, tmp_path / "words.hdf5", tmp_path / "missing.tsv", tmp_path / "cache")


def test_only_the_vocabulary_is_written(tmp_path, glove):
    embed(tmp_path, glove)
    with h5py.File(tmp_path / "words.hdf5") as file:
        assert list(file["word"]) == [b"large", b"feline", b"mane", b"crustacean"]
        assert file["vector"].dtype == np.float32
        np.testing.assert_array_equal(file["vector"], [[1, 2], [0, 0], [3, -1], [0, 0]])
        np.testing.assert_array_equal(file["found"], [True, False, True, False])
        assert file["found"].dtype == bool
        assert file.attrs["source"] == "glove.txt"
        assert file.attrs["source_sha256"] == sha256_of(glove.source)


def test_words_without_a_vector_are_listed(tmp_path, glove, caplog):
    caplog.set_level("INFO")
    embed(tmp_path, glove)
    assert read_table(tmp_path / "missing.tsv", ["word"]) == [
        {"word": "feline", "classes": "lion", "vector": "zero"},
        {"word": "crustacean", "classes": "crab", "vector": "zero"},
    ]
    assert "2 of 4 words have a vector" in caplog.text


def test_unknown_words_may_get_seeded_vectors(tmp_path, glove):
    words = embed(tmp_path, replace(glove, unknown="random", seed=3, sd=0.5))
    assert words.found.all()
    np.testing.assert_array_equal(words.vectors[0], FOUND["large"])
    np.testing.assert_array_equal(words.vectors[1], random_vector("feline", 2, 3, 0.5))
    assert [row["vector"] for row in read_table(tmp_path / "missing.tsv", ["word"])] == ["random", "random"]


def test_readers_of_the_words_leave_out_the_same_stop_words(tmp_path):
    rows = [Description(0, "snail", "a mollusk usually having a shell"), Description(1, "crab", "a crustacean")]
    (tmp_path / "mine.txt").write_text("mollusk\nhaving\n")
    lists = {
        "parley": "mollusk shell",
        "original": "mollusk usually shell",
        str(tmp_path / "mine.txt"): "a usually shell",
    }
    for name, kept in lists.items():
        embed(tmp_path, VectorOptions(dimension=3, stop_words=name), rows)
        words = read_words(tmp_path / "words.hdf5")
        mean = np.mean([random_vector(word, 3, 0, 0.4) for word in kept.split()], axis=0)
        np.testing.assert_allclose(description_matrix(rows, words)[0], mean, rtol=1e-6)
        assert description_tensor(rows, words)[1][0].tolist() == [True] * len(kept.split())
        shown = word_table(read_tokens(tmp_path / "words.hdf5", rows), 3)
        assert [word.decode() if isinstance(word, bytes) else word for word in shown[0] if word] == kept.split()
        with h5py.File(tmp_path / "words.hdf5") as file:
            assert ("stop_word" in file) == (name != "parley")


def test_a_description_of_stop_words_alone_is_reported(tmp_path):
    (tmp_path / "mine.txt").write_text("shell\n")
    rows = [Description(0, "snail", "shell shell"), Description(1, "crab", "a crustacean")]
    with pytest.raises(ParleyError, match=r"description of 'snail' .* has no words except stop words"):
        embed(tmp_path, VectorOptions(stop_words=str(tmp_path / "mine.txt")), rows)


def test_all_descriptions_without_a_vector_are_reported(tmp_path, glove):
    wordless = [Description(2, "okapi", "striped ungulate"), Description(3, "ant", "social insect")]
    with pytest.raises(ParleyError) as caught:
        embed(tmp_path, glove, [*DESCRIPTIONS, *wordless])
    assert ["'okapi'" in caught.value.findings[0], "'ant'" in caught.value.findings[1]] == [True, True]
    assert not (tmp_path / "words.hdf5").exists()
    embed(tmp_path, replace(glove, unknown="random"), [*DESCRIPTIONS, *wordless])


def test_random_vectors_are_a_function_of_seed_and_word(tmp_path):
    options = VectorOptions(seed=5, sd=0.4, dimension=7)
    forwards, backwards = embed(tmp_path, options), embed(tmp_path, options, DESCRIPTIONS[::-1])
    assert forwards.vectors.shape == (4, 7)
    assert forwards.found.all()
    for word, vector in zip(forwards.words, forwards.vectors, strict=True):
        np.testing.assert_array_equal(vector, backwards.vectors[backwards.words.index(word)])
    assert not np.array_equal(forwards.vectors, embed(tmp_path, replace(options, seed=6)).vectors)
    assert read_table(tmp_path / "missing.tsv", ["word"]) == []


def test_random_vectors_depend_only_on_the_hash():
    """Recomputed with the standard library: the vectors depend on no version of a random generator."""
    bits = hashlib.shake_256(b"1/lion").digest(48)
    uniform = [((number >> 11) + 1) / 2**53 for number in struct.unpack("<6Q", bits)]
    pairs = zip(uniform[:3], uniform[3:], strict=True)
    expected = [0.4 * math.sqrt(-2 * math.log(one)) * math.cos(2 * math.pi * two) for one, two in pairs]
    np.testing.assert_allclose(random_vector("lion", 3, 1, 0.4), expected, rtol=1e-6)
    np.testing.assert_allclose(random_vector("lion", 3, 1, 0.4), [0.118206, 0.042825, 0.217388], rtol=1e-5)


def test_random_vectors_are_normal():
    vectors = np.stack([random_vector(f"word{number}", 100, 0, 0.4) for number in range(500)])
    assert abs(vectors.mean()) < 4 * 0.4 / np.sqrt(vectors.size)
    assert abs(vectors.std() - 0.4) < 0.01
    quantiles = np.quantile(vectors / 0.4, [0.025, 0.5, 0.975])
    np.testing.assert_allclose(quantiles, [-1.96, 0, 1.96], atol=0.04)
    correlation = np.corrcoef(vectors)[np.triu_indices(500, 1)]
    assert abs(correlation.mean()) < 0.002


def test_an_unknown_rule_is_refused(tmp_path):
    with pytest.raises(ParleyError, match=r"`words\.unknown` is 'mean'"):
        embed(tmp_path, VectorOptions(unknown="mean"))


@pytest.mark.skipif("PARLEY_GLOVE" not in os.environ, reason="PARLEY_GLOVE names no file")
def test_real_glove_vectors_agree_with_an_independent_parse(tmp_path):
    source = os.environ["PARLEY_GLOVE"]
    table = {}
    for line in Path(source).read_text(encoding="utf-8").splitlines():
        word, *numbers = line.split(" ")
        table[word] = np.float32(numbers)
    rows = [Description(0, "lion", "large wild animals of Africa and India"), Description(1, "x", "a small black bird")]
    words = embed(tmp_path, VectorOptions(source=source), rows)
    assert [word for word, found in zip(words.words, words.found, strict=True) if found] == [
        word for row in rows for word in description_words(row.text) if word in table
    ]
    for word, vector in zip(words.words, words.vectors, strict=True):
        np.testing.assert_array_equal(vector, table.get(word, np.zeros(100)))
    assert read_words(tmp_path / "words.hdf5").words == words.words


@pytest.mark.parametrize(
    ("texts", "warned"),
    [
        (["a red ant", "the red ants", "an ant, red"], True),  # "ants" has no vector.
        (["a red ant", "a Red, red ant"], True),
        (["a red ant", "a red ant"], True),
        (["a red ant", "a blue ant"], False),
    ],
)
def test_classes_with_the_same_known_words_are_named(tmp_path, caplog, texts, warned):
    (tmp_path / "vectors.txt").write_text("red 1 0\nblue 0 1\nant 1 1\n")
    rows = [Description(number, f"class{number}", text) for number, text in enumerate(texts)]
    words = embed(tmp_path, VectorOptions(source=str(tmp_path / "vectors.txt")), rows)
    log_indistinguishable(rows, words)
    names = [f"class{number}" for number in (0, len(texts) - 1)]
    told = "are indistinguishable: their descriptions have the same words with vectors (ant, red)"
    assert (told in caplog.text and all(name in caplog.text for name in names)) == warned
