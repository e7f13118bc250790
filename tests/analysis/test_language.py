"""language.json and language.csv from files of messages, on languages of known score."""

import csv
import json

import h5py
import made_languages
import numpy as np
import pytest
from made_runs import Talk, write_messages

from parley.analysis.language import LanguageInputs, looks, write_language
from parley.analysis.seed_tables import LANGUAGE_COLUMNS, summarise_languages
from parley.core.errors import ParleyError
from parley.core.failures import FailedRunError, write_marker
from parley.dataset.attributes import AttributeFiles, write_attributes
from parley.metrics import language as measures
from parley.metrics.registry import UNITS
from parley.text.descriptions import Description, read_descriptions, write_descriptions
from parley.text.word_vectors import Words, write_words

CLASSES = 16


@pytest.fixture
def meanings(tmp_path):
    """Sixteen classes of two words each, a colour and a shape, whose vectors are all at right angles."""
    words = [f"{kind}{value}" for kind in ("colour", "shape") for value in "abcd"]
    write_words(tmp_path / "words.hdf5", Words(words, np.eye(8, dtype=np.float32), np.ones(8, bool)), "made", "0")
    texts = [f"{one} {other}" for one in words[:4] for other in words[4:]]
    described = [Description(label, f"class {label}", text) for label, text in enumerate(texts)]
    write_descriptions(tmp_path / "descriptions.csv", described)
    return tmp_path


def known(folder, **more):
    return LanguageInputs(folder / "descriptions.csv", folder / "words.hdf5", **more)


def measured(folder, language, seed=1, continuous=False, score=9.0, ids=None, **more):
    """Return the metrics of a language with one exchange per dialogue and correct answers."""
    known_ids = ids or range(CLASSES)
    talks = [
        Talk(
            f"k{row}",
            known_ids[int(label)],
            [[score * (one == label) for one in range(CLASSES)]],
            1,
            sender=[list(message)],
        )
        for row, (message, label) in enumerate(zip(language.messages.tolist(), language.classes, strict=True))
    ]
    path = folder / "runs/a" / str(seed) / "messages.hdf5"
    labels = [f"class {label}" for label in range(CLASSES)]
    bits = language.messages.shape[1]
    write_messages(path, talks, labels, run="a", seed=seed, bits=bits, continuous=continuous, ids=ids)
    out = path.with_name("language.json")
    write_language([path], known(folder, **more), (2, 2), out)
    return json.loads(out.read_text())["parts"]["test"]


def test_a_compositional_language_has_full_information_and_topographic_similarity(meanings):
    found = measured(meanings, made_languages.compositional())
    said = found["measures"]
    assert found["n"] == found["n_sampled"] == 64
    assert said["macro_f1"] == 1
    assert said["message_entropy"] == said["class_entropy"] == said["information"] == pytest.approx(4)
    assert said["distinct_messages"] == pytest.approx(16 / 64)
    assert said["dead_bits"] == 0
    assert said["topographic_similarity"] > 0.6
    assert found["p"]["topographic_similarity"] == found["p"]["information"] == pytest.approx(1 / 1001)
    assert found["bits"]["use"] == [0.5] * 4
    assert found["bits"]["entropy"] == pytest.approx([1] * 4)


def test_label_ids_with_gaps_change_no_metric(meanings):
    expected = measured(meanings, made_languages.compositional())
    rows = read_descriptions(meanings / "descriptions.csv")
    moved = [row._replace(label_id=7 + 10**8 * row.label_id) for row in rows]
    write_descriptions(meanings / "descriptions.csv", moved)
    ids = [row.label_id for row in moved]
    assert measured(meanings, made_languages.compositional(), ids=ids) == expected


def test_a_holistic_language_has_full_information_and_similarity_by_chance(meanings):
    found = measured(meanings, made_languages.holistic())
    assert found["measures"]["information"] == pytest.approx(4)
    # Messages of one class are alike, which any language of names has; beyond that there is nothing.
    assert found["measures"]["topographic_similarity"] > 0.2
    assert found["p"]["topographic_similarity"] > 0.05


def test_the_apparent_information_of_a_random_language_is_corrected_away(meanings):
    found = measured(meanings, made_languages.random(width=12))
    assert found["measures"]["information"] > 3  # though it says nothing
    assert found["measures"]["information_corrected"] == pytest.approx(0, abs=0.1)
    assert found["p"]["information"] > 0.05
    assert found["p"]["topographic_similarity"] > 0.05


def test_a_language_of_one_message_carries_no_information(meanings):
    compositional = made_languages.compositional()
    found = measured(meanings, compositional._replace(messages=np.ones_like(compositional.messages)))
    assert found["measures"]["information"] == found["measures"]["message_entropy"] == 0
    assert found["measures"]["dead_bits"] == 4
    assert found["measures"]["topographic_similarity"] is None
    assert found["p"]["information"] == 1.0
    assert found["p"]["topographic_similarity"] is found["null"]["topographic_similarity"] is None


def test_continuous_messages_have_similarity_and_no_bit_metrics(meanings):
    compositional = made_languages.compositional()
    found = measured(meanings, compositional._replace(messages=compositional.messages * 2.5), continuous=True)
    assert found["bits"] is None
    assert found["measures"]["information"] is None
    assert found["measures"]["topographic_similarity"] > 0.6
    assert found["measures"]["macro_f1"] == 1


def test_a_diverged_run_has_no_metrics(meanings):
    found = measured(meanings, made_languages.constant(), score=np.nan)
    assert set(found["measures"].values()) == set(found["p"].values()) == set(found["null"].values()) == {None}
    assert found["exchanges"] is None
    assert found["bits"] is None
    summarise_languages([meanings / "runs/a/1/language.json"], {"a": 1}, meanings / "language.csv")
    with (meanings / "language.csv").open(newline="") as stream:
        assert {(row["mean"], row["seeds_failed"]) for row in csv.DictReader(stream)} == {("", "1")}


def test_results_are_deterministic_and_large_splits_are_subsampled(meanings, monkeypatch):
    language = made_languages.random()
    assert measured(meanings, language) == measured(meanings, language)
    monkeypatch.setattr(measures, "MOST_DIALOGUES", 40)
    found = measured(meanings, language)
    assert (found["n"], found["n_sampled"]) == (64, 40)


def test_the_table_has_one_row_per_metric_and_counts_missing_seeds(meanings):
    paths = []
    for seed, language in ((1, made_languages.compositional()), (2, made_languages.holistic())):
        measured(meanings, language, seed)
        paths.append(meanings / f"runs/a/{seed}/language.json")
    summarise_languages(paths, {"a": 3, "lost": 3}, meanings / "language.csv")
    with (meanings / "language.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == LANGUAGE_COLUMNS
    assert [(row["run"], row["part"], row["metric"]) for row in rows] == [("a", "test", metric) for metric in UNITS]
    found = {row["metric"]: row for row in rows}
    values = [json.loads(path.read_text())["parts"]["test"]["measures"]["topographic_similarity"] for path in paths]
    row = found["topographic_similarity"]
    assert float(row["mean"]) == pytest.approx(np.mean(values))
    assert float(row["sd"]) == pytest.approx(np.std(values, ddof=1))
    assert (row["n_seeds"], row["seeds_failed"], row["unit"]) == ("2", "1", "Spearman's rho")
    assert found["macro_f1"]["largest_p"] == found["accuracy@1"]["largest_p"] == found["information"]["largest_p"]
    assert found["dead_bits"]["largest_p"] == found["dead_bits"]["null_mean"] == found["dead_bits"]["null_high"] == ""
    # Of 16 classes, answers that are always right are right for 1 in 16 images where labels are permuted.
    assert float(found["accuracy@1"]["null_mean"]) == pytest.approx(1 / 16, abs=0.002)
    assert float(found["accuracy@k"]["null_mean"]) == pytest.approx(2 / 16, abs=0.003)
    assert float(found["information"]["largest_p"]) == pytest.approx(1 / 1001)


def test_candidates_without_a_description_are_refused(meanings):
    write_messages(meanings / "m.hdf5", [Talk("k", 99, [[1.0, 0.0]], 1)], ["x", "y"], ids=[99, 0])
    with pytest.raises(ParleyError, match=r"candidates of label 99, which .*descriptions\.csv does not describe"):
        write_language([meanings / "m.hdf5"], known(meanings), (2, 2), meanings / "l.json")


ATTRIBUTES = "class\tcolour\tshape\n" + "".join(f"class {label}\t{label // 4}\t{label % 4}\n" for label in range(16))


def test_single_bits_of_a_compositional_language_encode_single_attributes(meanings):
    path = meanings / "attributes.tsv"
    path.write_text(ATTRIBUTES)
    good = measured(meanings, made_languages.compositional(), attributes=path)
    assert good["measures"]["positional_disentanglement"] == pytest.approx(1)
    assert good["p"]["positional_disentanglement"] == pytest.approx(1 / 1001)
    assert good["null"]["positional_disentanglement"]["high"] < 0.5
    lot = measured(meanings, made_languages.random(), attributes=path)
    assert lot["measures"]["positional_disentanglement"] < 0.1
    assert lot["p"]["positional_disentanglement"] > 0.05
    assert measured(meanings, made_languages.random())["measures"]["positional_disentanglement"] is None


def test_attribute_similarity_is_one_for_compositional_messages(meanings):
    path = meanings / "attributes.tsv"
    path.write_text(ATTRIBUTES)
    metric = "topographic_similarity_attributes"
    good = made_languages.compositional()
    one_hot = good._replace(messages=np.concatenate([np.eye(4, dtype=int)[column] for column in good.attributes.T], 1))
    for continuous in (False, True):
        found = measured(meanings, one_hot, continuous=continuous, attributes=path)
        assert found["measures"][metric] == pytest.approx(1)
        assert found["p"][metric] == pytest.approx(1 / 1001)
        assert 0 < found["null"][metric]["mean"] < found["null"][metric]["high"] < 0.6
    lot = measured(meanings, made_languages.random(), attributes=path)
    assert abs(lot["measures"][metric]) < 0.1
    assert lot["p"][metric] > 0.05
    bare = measured(meanings, one_hot)
    assert bare["measures"][metric] is bare["p"][metric] is bare["null"][metric] is None


def test_similarity_to_attributes_has_separate_random_numbers(meanings, monkeypatch):
    path = meanings / "attributes.tsv"
    path.write_text(ATTRIBUTES)
    language, real = made_languages.holistic(), measures.mantel_of_classes
    full = measured(meanings, language, attributes=path)
    monkeypatch.setattr(measures, "mantel_of_classes", lambda *given: real(*given) if len(given) == 5 else None)
    without = measured(meanings, language, attributes=path)
    for key in ("measures", "p", "null"):
        assert full[key].pop("topographic_similarity_attributes") is not None
        assert without[key].pop("topographic_similarity_attributes") is None
    assert full == without


def test_language_metrics_with_attribute_matrix(meanings):
    language = made_languages.compositional()
    bits_of = dict(zip(language.classes.tolist(), language.messages.tolist(), strict=True))
    # Every attribute is a bit of the message. In the files, classes are in another order and some are not ours.
    rows = [*reversed(range(CLASSES)), *range(90, 94)]
    numbers = [[90 * bit + 5 for bit in bits_of.get(label, [1, 1, 0, 0])] for label in rows]
    (meanings / "m.txt").write_text("".join(" ".join(f"{one}.5" for one in row) + "\n" for row in numbers))
    (meanings / "c.txt").write_text("".join(f"{line} Class_{label}\n" for line, label in enumerate(rows, 1)))
    (meanings / "p.txt").write_text("red\nblue\nround\nlong\n")
    names = [f"class {label}" for label in range(CLASSES)]
    path = meanings / "attributes.tsv"
    files = AttributeFiles(*(meanings / f"{name}.txt" for name in "mcp"), threshold=50)
    write_attributes(files, names, path)
    assert [row.split("\t")[1:] for row in path.read_text().splitlines()[1:]] == [
        [str(bit) for bit in bits_of[label]] for label in range(CLASSES)
    ]
    good = measured(meanings, language, attributes=path)
    assert good["measures"]["positional_disentanglement"] == pytest.approx(1)
    assert good["p"]["positional_disentanglement"] == pytest.approx(1 / 1001)
    assert good["measures"]["topographic_similarity_attributes"] == pytest.approx(1)
    assert good["p"]["topographic_similarity_attributes"] == pytest.approx(1 / 1001)
    # Four unseen classes alone, of one colour: two attributes are the same for all of them.
    unseen = [row for row, label in enumerate(language.classes) if label < 4]
    talks = [
        Talk(f"k{row}", int(language.classes[row]), [[1.0, 0, 0, 0]], 1, sender=[language.messages[row].tolist()])
        for row in unseen
    ]
    write_messages(meanings / "u.hdf5", talks, names[:4], ids=[0, 1, 2, 3], bits=4, part="ood_alone")
    write_language([meanings / "u.hdf5"], known(meanings, attributes=path), (2, 2), meanings / "u.json")
    found = json.loads((meanings / "u.json").read_text())["parts"]["ood_alone"]
    assert found["measures"]["positional_disentanglement"] == pytest.approx(1)
    assert found["measures"]["topographic_similarity_attributes"] == pytest.approx(1)


def test_similarity_to_features_differs_from_similarity_to_descriptions(meanings):
    """Messages follow the image features, which are unrelated to the descriptions."""
    language = made_languages.random(copies=4, width=12)
    rows = np.random.default_rng(5).permutation(64)
    with h5py.File(meanings / "test.hdf5", "w") as file:
        # In another order than the messages, and in units that differ a thousandfold.
        file["avgpool_512"] = (language.messages[rows] * np.tile([1, 1000], 6)).astype(np.float32)[:, None]
        file["Target"] = language.classes[rows]
        file["Location"] = file["Key"] = [f"k{row}".encode() for row in rows]
    found = measured(meanings, language, parts={"test": meanings / "test.hdf5"})
    assert found["measures"]["topographic_similarity_features"] > 0.9
    assert found["p"]["topographic_similarity_features"] == pytest.approx(1 / 1001)
    assert found["p"]["topographic_similarity"] > 0.05
    with pytest.raises(ParleyError, match="lacks image gone, which has messages"):
        looks(meanings / "test.hdf5", ["k1", "gone"])


def test_features_of_a_map_are_means_over_its_cells(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 3, 2, 2)).astype(np.float32)
    values[:, 1] = 7  # says nothing of any image
    with h5py.File(tmp_path / "test.hdf5", "w") as file:
        file["layer4_2"] = values[:, None]
        file["Target"] = np.zeros(5, int)
        file["Location"] = file["Key"] = [f"k{row}".encode() for row in range(5)]
    found = looks(tmp_path / "test.hdf5", ["k4", "k0"])
    means = values.mean(axis=(2, 3))[:, [0, 2]]
    assert found == pytest.approx(((means - means.mean(0)) / means.std(0))[[4, 0]], abs=1e-5)


def test_a_failed_run_is_reported_as_failed(meanings):
    write_marker(meanings / "m.hdf5", "The loss is no longer finite.")
    with pytest.raises(FailedRunError, match="The run failed in training: The loss is no longer finite"):
        write_language([meanings / "m.hdf5"], known(meanings), (2, 2), meanings / "l.json")
