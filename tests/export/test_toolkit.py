"""Arrays for emlangkit, and emlangkit's measures of them against this project's."""

import warnings

import made_languages
import numpy as np
import pytest
from made_runs import Talk, write_messages

from parley.core.errors import ParleyError
from parley.export.corpora import write_toolkit_files
from parley.metrics.disentanglement import bag_of_symbols_test, positional_test
from parley.metrics.information import codes, entropy_bits, mutual_information_bits
from parley.metrics.topographic import attribute_distances, mantel, mantel_of_classes

emlangkit = pytest.importorskip("emlangkit", reason="emlangkit is in the extra `test`: uv sync --extra test")
CLASSES = 16
LABELS = [f"class {label}" for label in range(CLASSES)]
LANGUAGES = {
    "compositional": made_languages.compositional(),
    "holistic": made_languages.holistic(),
    "random": made_languages.random(width=7),
}


def exported(folder, language, attributes=True):
    """The arrays exported for a language with one exchange."""
    talks = [
        Talk(f"k{row}", int(label), [[0.0] * CLASSES], 1, sender=[list(message)])
        for row, (message, label) in enumerate(zip(language.messages.tolist(), language.classes, strict=True))
    ]
    path = write_messages(folder / "m.hdf5", talks, LABELS, run="a", seed=1, bits=language.messages.shape[1])
    table = None
    if attributes:
        table = folder / "attributes.tsv"
        rows = [f"class {label}\t{'wxyz'[label // 4]}\t{'wxyz'[label % 4]}\n" for label in range(CLASSES)]
        table.write_text("class\tcolour\tshape\n" + "".join(rows))
    write_toolkit_files([path], table, folder / "out")
    with np.load(folder / "out/a-1-test.npz") as file:
        return dict(file)


def one_hot(observations):
    """Attributes whose cosine distance is the fraction that differs, and so in the order of Hamming's distance."""
    columns = [column[:, None] == np.unique(column) for column in observations.T]
    return np.concatenate(columns, axis=1).astype(float)


def value(test, messages, about):
    """The value of a permutation test, without permutations."""
    found = test(messages, about, 0, np.random.default_rng(0))
    return None if found is None else found.value


def disentanglement(test, messages, observations):
    return value(lambda said, about, *rest: test(said, np.arange(len(said)), about, *rest), messages, observations)


def similarity_to_attributes(messages, observations, *rest):
    return mantel_of_classes(messages, np.arange(len(messages)), observations, *rest, attribute_distances)


@pytest.mark.parametrize("name", LANGUAGES)
def test_measures_agree_with_emlangkit(tmp_path, name):
    file = exported(tmp_path, LANGUAGES[name])
    messages, observations = file["messages"], file["observations"]
    reference = emlangkit.Language(messages, observations)
    close = {"abs": 1e-9, "rel": 0}
    assert entropy_bits(messages) == pytest.approx(reference.language_entropy(), **close)
    assert entropy_bits(observations) == pytest.approx(reference.observation_entropy(), **close)
    # The plug-in estimate: emlangkit applies no bias correction.
    information = mutual_information_bits(messages, codes(observations))
    assert information == pytest.approx(reference.mutual_information(), **close)
    assert disentanglement(positional_test, messages, observations) == pytest.approx(reference.posdis(), **close)
    assert disentanglement(bag_of_symbols_test, messages, observations) == pytest.approx(reference.bosdis(), **close)
    # Language.topsim uses the edit distance, by which 0101 is two steps from 1010 instead of four.
    theirs, _ = emlangkit.metrics.compute_topographic_similarity(messages, observations, message_dist_metric="hamming")
    assert value(mantel, messages, one_hot(observations)) == pytest.approx(theirs, **close)
    assert value(similarity_to_attributes, messages, observations) == pytest.approx(theirs, **close)


def test_a_constant_language_has_no_score_in_either(tmp_path):
    file = exported(tmp_path, made_languages.constant())
    messages, observations = file["messages"], file["observations"]
    reference = emlangkit.Language(messages, observations)
    assert entropy_bits(messages) == reference.language_entropy() == 0
    assert mutual_information_bits(messages, codes(observations)) == pytest.approx(
        reference.mutual_information(), abs=1e-9
    )
    assert disentanglement(positional_test, messages, observations) is None
    assert disentanglement(bag_of_symbols_test, messages, observations) is None
    assert np.isnan(reference.posdis())
    assert np.isnan(reference.bosdis())
    assert value(mantel, messages, one_hot(observations)) is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns of constant input.
        assert np.isnan(reference.topsim()[0])


def test_attributes_are_integers_and_their_texts_are_stored(tmp_path):
    language = made_languages.compositional()
    file = exported(tmp_path, language)
    assert file["observations"].tolist() == language.attributes.tolist()
    assert file["names"].tolist() == ["colour", "shape"]
    assert file["values_colour"].tolist() == file["values_shape"].tolist() == list("wxyz")
    assert file["messages"].tolist() == language.messages.tolist()
    assert file["keys"][:2].tolist() == ["k0", "k1"]


def test_without_attributes_the_observation_is_the_label(tmp_path):
    language = made_languages.holistic()
    file = exported(tmp_path, language, attributes=False)
    assert file["observations"].tolist() == language.classes[:, None].tolist()
    assert file["names"].tolist() == ["label_id"]
    assert file["classes"][0] == "class 0"
    reference = emlangkit.Language(file["messages"], file["observations"])
    assert reference.mutual_information() == pytest.approx(4)


def test_the_last_message_is_exported(tmp_path):
    talk = Talk("k", 0, [[0.0, 1.0]] * 3, 2, sender=[[0, 0], [0, 1], [1, 1]])
    path = write_messages(tmp_path / "m.hdf5", [talk], ["cat", "dog"], run="a", seed=1, bits=2)
    write_toolkit_files([path], None, tmp_path)
    with np.load(tmp_path / "a-1-test.npz") as file:
        assert file["messages"].tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("class\tcolour\tshape\ndog\tred\tlong\n", "has no attributes for cat"),
        ("class\ncat\n", "has 0 columns in addition to `class`"),
    ],
)
def test_attributes_that_do_not_fit_are_reported(tmp_path, table, reason):
    path = write_messages(tmp_path / "m.hdf5", [Talk("k", 0, [[0.0, 1.0]], 1)], ["cat", "dog"])
    (tmp_path / "attributes.tsv").write_text(table)
    with pytest.raises(ParleyError, match=reason):
        write_toolkit_files([path], tmp_path / "attributes.tsv", tmp_path)
