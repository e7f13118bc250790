"""Encoders with random weights, made here and used without a network."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from made_encoders import CLIP, WIDTH, clip, sentence_encoder

from parley.core.errors import ParleyError
from parley.core.tables import read_table
from parley.core.tensor_files import parameters_sha256
from parley.text.description_vectors import read_description_vectors, read_tokens
from parley.text.descriptions import Description
from parley.text.encode_descriptions import encode_descriptions, load_encoder, log_indistinguishable

pytestmark = pytest.mark.slow  # Importing the libraries takes seconds.

TEXTS = ["a lion", "a large feline with a mane", "a crab !!", "with a long tail and claws"]
ROWS = [Description(2 * number, f"c{number}", text) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def sentences():
    return pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def clips():
    return pytest.importorskip("open_clip")


@pytest.fixture(scope="module")
def bert_encoder(sentences, tmp_path_factory):
    return sentence_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


def encoded(tmp_path, encoder, rows=ROWS, attention=False):
    encode_descriptions(rows, encoder, tmp_path / "words.hdf5", tmp_path / "missing.tsv")
    return read_description_vectors(tmp_path / "words.hdf5", rows, attention)


def test_vectors_are_those_of_sentence_transformers(sentences, bert_encoder, tmp_path):
    model = sentences.SentenceTransformer(bert_encoder.removeprefix("sentence-transformers/"), device="cpu")
    vectors = encoded(tmp_path, bert_encoder).vectors
    np.testing.assert_allclose(vectors, model.encode(TEXTS), atol=1e-6)
    assert np.linalg.norm(vectors[0] - vectors[1]) > 0.1
    assert read_table(tmp_path / "missing.tsv", ["word", "classes", "vector"]) == []


def test_with_mean_pooling_the_mean_of_the_tokens_is_the_vector(bert_encoder, tmp_path):
    vectors = encoded(tmp_path, bert_encoder).vectors
    means, tokens, is_token = read_description_vectors(tmp_path / "words.hdf5", ROWS, attention=True)
    assert tokens.shape == (4, is_token.sum(1).max(), WIDTH)
    assert len(set(is_token.sum(1))) > 1
    np.testing.assert_allclose(means, vectors, atol=1e-6)
    assert read_tokens(tmp_path / "words.hdf5", ROWS)[0] == ["[CLS]", "a", "l", "##i", "##o", "##n", "[SEP]"]


def test_a_vector_does_not_depend_on_the_other_descriptions(bert_encoder, tmp_path):
    alone = encoded(tmp_path, bert_encoder, ROWS[:1]).vectors[0]
    np.testing.assert_array_equal(encoded(tmp_path, bert_encoder).vectors[0], alone)
    np.testing.assert_array_equal(encoded(tmp_path, bert_encoder, ROWS[::-1]).vectors[-1], alone)


def test_the_file_records_the_weights_and_is_the_same_again(bert_encoder, tmp_path):
    files = []
    for name in ("one", "two"):
        encode_descriptions([*ROWS, *ROWS], bert_encoder, tmp_path / name, tmp_path / "missing.tsv")
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    with h5py.File(tmp_path / "one") as file:
        assert len(file["description"]) == len(TEXTS)
        assert file.attrs["source"] == "sentence-transformers/tiny"
        assert file.attrs["source_sha256"] == parameters_sha256(load_encoder(bert_encoder).network)


def test_other_weights_give_other_vectors_and_another_hash(bert_encoder, tmp_path):
    other = sentence_encoder(tmp_path / "other", seed=1)
    vectors = encoded(tmp_path, other).vectors
    assert parameters_sha256(load_encoder(other).network) != parameters_sha256(load_encoder(bert_encoder).network)
    assert np.abs(vectors - encoded(tmp_path, bert_encoder).vectors).min(1).max() > 1e-4


def test_half_precision_is_read_as_float32(sentences, bert_encoder, tmp_path):
    model = sentences.SentenceTransformer(bert_encoder.removeprefix("sentence-transformers/"), device="cpu")
    model.half().save(str(tmp_path / "half"))
    encoder = load_encoder(f"sentence-transformers/{tmp_path / 'half'}")
    assert {one.dtype for one in encoder.network.parameters()} == {torch.float32}
    assert not encoder.network.training


def test_later_modules_change_the_vector_and_attention_reads_the_tokens(sentences, tmp_path):
    from sentence_transformers.models import Dense, Normalize

    encoder = sentence_encoder(tmp_path / "longer", Dense(WIDTH, 5), Normalize())
    vectors = encoded(tmp_path, encoder).vectors
    assert vectors.shape == (4, 5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    means, tokens, is_token = read_description_vectors(tmp_path / "words.hdf5", ROWS, attention=True)
    assert means.shape == (4, WIDTH)
    np.testing.assert_allclose(means[0], tokens[0][is_token[0]].mean(0), rtol=1e-5)


def test_a_bag_of_embeddings_has_no_tokens(sentences, bert_encoder, tmp_path):
    from sentence_transformers.models import StaticEmbedding

    tokenizer = load_encoder(bert_encoder).network.tokenizer.backend_tokenizer
    torch.manual_seed(0)
    model = sentences.SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=6)], device="cpu")
    model.save(str(tmp_path / "bag"))
    encoder = f"sentence-transformers/{tmp_path / 'bag'}"
    np.testing.assert_allclose(encoded(tmp_path, encoder).vectors, model.encode(TEXTS), atol=1e-6)
    with pytest.raises(ParleyError, match=r"set game\.description_attention to false, or choose another"):
        read_description_vectors(tmp_path / "words.hdf5", ROWS, attention=True)


def test_long_and_equal_descriptions_are_logged(bert_encoder, tmp_path, caplog):
    encoded(tmp_path, bert_encoder, [ROWS[0], ROWS[1]._replace(text="claws " * 99)])
    assert "1 of 2 descriptions reach the 64 tokens that the encoder reads" in caplog.text
    log_indistinguishable([*ROWS, ROWS[0]._replace(label="puma")])
    assert "The classes c0, puma are indistinguishable: they have the same description (a lion)" in caplog.text


@pytest.mark.parametrize("custom", [False, True])
def test_vectors_and_tokens_are_those_of_open_clip(clips, tmp_path, custom):
    encoder = clip(tmp_path / "clip", **({"custom_text": True} if custom else {}))
    vectors = encoded(tmp_path, encoder).vectors
    model = clips.create_model(encoder.removeprefix("open_clip/")).eval()
    ids = clips.get_tokenizer(encoder.removeprefix("open_clip/"))(TEXTS)
    with torch.inference_mode():
        np.testing.assert_allclose(vectors, model.encode_text(ids).numpy(), atol=1e-6)
    _, tokens, is_token = read_description_vectors(tmp_path / "words.hdf5", ROWS, attention=True)
    # The vector is the output at the last token.
    np.testing.assert_allclose([own[kept][-1] for own, kept in zip(tokens, is_token, strict=True)], vectors, atol=1e-6)
    assert read_tokens(tmp_path / "words.hdf5", ROWS)[2] == ["<start_of_text>", "a", "crab", "!!", "<end_of_text>"]


def test_a_model_of_open_clip_has_random_weights_or_those_of_a_file(clips, tmp_path, monkeypatch):
    made = clip(tmp_path / "clip")
    monkeypatch.setattr(clips.factory, "_MODEL_CONFIGS", {**clips.factory._MODEL_CONFIGS, "tiny": CLIP})
    random = encoded(tmp_path, "open_clip/tiny:random").vectors
    np.testing.assert_array_equal(encoded(tmp_path, "open_clip/tiny:random").vectors, random)
    from_file = encoded(tmp_path, f"open_clip/tiny:{tmp_path}/clip/open_clip_model.safetensors").vectors
    np.testing.assert_array_equal(from_file, encoded(tmp_path, made).vectors)
    assert np.abs(from_file - random).max() > 0.01


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        ("open_clip/ViT-B-33:random", "open_clip has no model 'ViT-B-33'; did you mean ViT-B-32"),
        ("open_clip/ViT-B-32:laion", "open_clip has no weights 'laion' for ViT-B-32; it has openai, laion400m_e31"),
        ("open_clip/ViT-B-32:openai", "which ViT-B-32 lacks; write open_clip/ViT-B-32-quickgelu:openai"),
    ],
)
def test_unknown_models_and_weights_of_open_clip_are_reported(clips, encoder, told):
    with pytest.raises(ParleyError, match=told):
        load_encoder(encoder)


def test_an_incomplete_folder_is_reported(sentences, tmp_path):
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(ParleyError, match=r"descriptions\.encoder: .* cannot be loaded .*; check that it is complete"):
        load_encoder(f"sentence-transformers/{tmp_path}")


@pytest.mark.parametrize(
    ("encoder", "command"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", "`hf download sentence-transformers/all-MiniLM-L6-v2 --local-dir "),
        ("open_clip/ViT-B-32:laion2b_s34b_b79k", "open_clip.create_model('ViT-B-32', 'laion2b_s34b_b79k')"),
    ],
)
def test_without_a_network_the_message_says_how_to_copy_the_model(sentences, clips, tmp_path, encoder, command):
    code = f"from parley.text.encode_descriptions import load_encoder; load_encoder({encoder!r})"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    told = done.stderr.splitlines()[-1]
    assert f"descriptions.encoder: {encoder} cannot be loaded (" in told
    assert command in told
