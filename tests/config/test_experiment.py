"""A config, its class set and its files are checked together, and what does not matter is not reported."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from unprivileged import unprivileged

from parley.config.experiment import read_experiment
from parley.config.input_checks import check_inputs
from parley.config.paths import Paths
from parley.config.schema import read_schema
from parley.config.validation import examine
from parley.core.errors import ParleyError
from parley.features.storage import examine_features

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"
CONFIG = {
    "experiment": "a",
    "classes": "a.tsv",
    "source": {"kind": "folder", "folder": {"root": "pictures"}},
    "split": {"in": {"train": 2, "dev": 1, "test": 1}},
    "features": {"backbone": "resnet18", "weights": "random"},
    "descriptions": {"wordnet": "no-wordnet"},
    "words": {"source": "glove.txt"},
    "training": {"batch_size": 2},
    "evaluation": {"k": 1},
}
FEATURES = ("train", "dev", "test", "descriptions")
IMAGES = "Class ant (n02219486): 1 of its 1 entries can be used; 4 are needed."
WORDS = "The word vectors glove.txt do not exist; check the path, name a URL, or use `random` vectors."


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures/ant").mkdir(parents=True)
    (tmp_path / "pictures/ant/0.jpg").touch()
    (tmp_path / "a.tsv").write_text("class\twnid\tdomain\nant\tn02219486\tin\n")
    return tmp_path


def findings(*settings, **changes):
    with pytest.raises(ParleyError) as caught:
        read_experiment({**CONFIG, **changes}, SCHEMA, settings)
    return [sentence.partition("; install")[0] for sentence in caught.value.findings]


def test_missing_inputs_are_not_config_errors(here):
    assert isinstance(read_experiment(CONFIG, SCHEMA).paths, Paths)


def test_inputs_are_reported_with_a_mistake_in_the_config(here):
    first, images, advice, wordnet, words = findings(seeds=["x"])
    assert first == "Config: seeds[0] is 'x'; it must be of type integer."
    assert (images, words) == (IMAGES, WORDS)
    assert advice.startswith("1 of 1 classes have too few candidates")
    assert wordnet.startswith("WordNet is not at no-wordnet")


def test_missing_folder_and_short_class_are_both_reported(here):
    (here / "a.tsv").write_text("class\twnid\tdomain\nant\tn02219486\tin\nbee\tn02206856\tin\n")
    (here / "glove.txt").touch()
    found = findings("words={source: random}", seeds=["x"], descriptions={})
    assert found[1:] == [
        "Class 'bee' has no folder bee or n02206856 in pictures; add it, or rename or remove the class.",
        IMAGES,
        found[3],
    ]
    assert found[3].startswith("1 of 2 classes have too few candidates")


def test_inputs_of_stages_that_are_done_are_not_reported(here):
    paths = read_experiment(CONFIG, SCHEMA).paths
    for path in (paths.plan("candidates.tsv"), paths.result("words.hdf5"), paths.result("descriptions.csv")):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    assert findings(seeds=["x"]) == ["Config: seeds[0] is 'x'; it must be of type integer."]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"classes": None}, ["Config: `classes` must be the path of the class set, a TSV"]),
        ({"classes": 5}, ["Config: classes is 5"]),
        ({"evaluation": {"k": "x"}}, ["Config: evaluation.k is 'x'"]),
        (
            {"training": {"batch_size": 3}, "seeds": ["x"]},
            [
                "Config: seeds[0] is 'x'",
                "Config: training.batch_size is 3, but the train split has only 2 images "
                "(1 class × 2 images); lower it, or raise split.in.train.",
            ],
        ),
        (
            {"runs": [{"name": "a", "training": {"batch_size": 3}}]},
            ["Config: training.batch_size is 3, but the train split has only 2 images"],
        ),
        ({"evaluation": {"k": 2}}, ["Config: evaluation.k is 2, but there are only 1 in-domain classes"]),
        ({"source": {"kind": "folder", "folder": {"root": 5}}}, ["Config: source.folder.root is 5"]),
        ({"source": {"kind": "fodler"}}, ["Config: source.kind is 'fodler'", "Config: `source.kind` is folder, so"]),
        ({"source": {"kind": "ftp"}}, ["Config: source.kind is 'ftp'"]),
        ({"features": {"weights": 1}}, ["Config: features.weights is 1"]),
        ({"runs": [{"name": "a", "grid": {"game.mix": ["sum", "sum"]}}]}, ["Config, run a: grid.game.mix has the"]),
    ],
)
def test_a_mistake_is_reported_without_its_consequences(here, changes, told):
    (here / "glove.txt").touch()
    for name in "123":
        (here / f"pictures/ant/{name}.jpg").touch()
    (here / "a.tsv").write_text("class\twnid\tdomain\tdescription\nant\t\tin\tan ant\n")
    found = findings(**changes)
    assert len(found) == len(told), found
    assert all(sentence.startswith(start) for sentence, start in zip(found, told, strict=True)), found


def test_a_wrong_class_hides_neither_the_others_nor_the_config(here):
    (here / "a.tsv").write_text("class\twnid\tdomain\nant\tn02219486\tup\nbee\tn02206856\tin\n")
    found = findings("words={source: random}", seeds=["x"], descriptions={})
    assert [sentence.partition(";")[0].partition(":")[0] for sentence in found] == [
        "Config",
        "a.tsv, line 2, class 'ant'",
        "Class 'bee' has no folder bee or n02206856 in pictures",
    ]


def test_a_wrong_class_hides_no_missing_layer(here):
    (here / "a.tsv").write_text("class\twnid\tdomain\nant\tn02219486\tup\nbee\tn02206856\tin\n")
    (here / "pictures/bee").mkdir()
    features = {**CONFIG["features"], "layers": ["logits"]}
    layers = "Run 'adaptive' needs the layers pooled, but features.layers has logits; add the missing layers."
    assert layers in findings("words={source: random}", features=features, descriptions={})


@pytest.mark.parametrize(("context", "needed"), [(True, "logits, map"), (False, "map")])
def test_attention_without_context_needs_no_logits(here, context, needed):
    (here / "a.tsv").write_text("class\twnid\tdomain\nant\tn02219486\tup\nbee\tn02206856\tin\n")
    (here / "pictures/bee").mkdir()
    game = {"preset": "AdaptiveAttention", "attention_context": context}
    found = findings("words={source: random}", game=game, features={**CONFIG["features"], "layers": ["pooled"]})
    lack = f"Run 'adaptive' needs the layers {needed}, but features.layers has pooled; add the missing layers."
    assert lack in found


def test_attention_to_the_logits_of_open_clip_is_refused(here):
    (here / "a.tsv").write_text("class\twnid\tdomain\nant\tn02219486\tup\nbee\tn02206856\tin\n")
    (here / "pictures/bee").mkdir()
    features = {**CONFIG["features"], "backbone": "open_clip/RN50", "weights": "random"}
    for context in (True, False):
        game = {"preset": "AdaptiveAttention", "attention_context": context}
        found = findings("words={source: random}", game=game, features=features)
        lack = "Run 'adaptive' needs logits, which open_clip/RN50 does not have; set game.attention_context to false"
        assert any(sentence.startswith(lack) for sentence in found) == context


def test_a_missing_list_of_stop_words_is_reported(here):
    config = {**CONFIG["words"], "stop_words": "mine.txt"}
    assert "Config: words.stop_words is mine.txt, which is not a file; check the path." in findings(words=config)
    for name in ("parley", "original"):
        assert not [one for one in findings(words={**config, "stop_words": name}, seeds=["x"]) if "stop_words" in one]


@pytest.mark.parametrize("section", ["words", "descriptions", "evaluation", "source"])
def test_a_given_file_without_read_permission_is_reported(here, section):
    (here / "given").touch(mode=0)
    key, config = {
        "words": ("stop_words", {"source": "random", "stop_words": "given"}),
        "descriptions": ("evaluation", {"evaluation": "given"}),
        "evaluation": ("attributes", {"k": 1, "attributes": "given"}),
        "source": ("features.train", {"kind": "features", "features": dict.fromkeys(FEATURES, "given")}),
    }[section]
    told = f"Config: {section}.{key} is given, which cannot be read; check its permissions."
    assert told in unprivileged(lambda: "\n".join(findings(**{section: config}))).splitlines()


def test_a_batch_of_a_class_set_with_errors_is_not_compared(here):
    (here / "a.tsv").write_text("class\twnid\tdomain\nant\tn02219486\tup\nbee\tn02206856\tin\n")
    assert not [one for one in findings("training={batch_size: 3}", descriptions={}) if "batch_size" in one]


def test_attributes_in_an_archive_need_a_source_that_is_one(here):
    first = findings(evaluation={"k": 1, "attributes": "archive!m.txt"})[0]
    assert first == (
        "Config: evaluation.attributes is archive!m.txt, a file in the source's archive, but source.kind is folder; "
        "give the path of a file."
    )


@pytest.mark.parametrize("text", ["of the", "The, and... which?", "!?", "it's its own"])
def test_a_description_that_leaves_the_receiver_nothing_to_read_is_reported(here, text):
    header = "class\twnid\tdomain\tgroup\tdescription\n"
    (here / "a.tsv").write_text(f"{header}ant\t\tin\t\tsmall\nbee\t\tin\t\t{text}\n")
    (here / "other.csv").write_text(f"0,ant,{text.replace(',', '')}\n1,bee,a bee\n")
    found = findings(seeds=["x"], descriptions={"evaluation": "other.csv"})
    for name in ("bee", "ant"):
        assert [one for one in found if f"The description of '{name}'" in one and "except stop words" in one]
    assert not [one for one in found if "a bee" in one or "'small'" in one]


def given_features(folder, classes=(0, 1, 2), dev_width=4, **changes):
    """Write feature files of three classes, and return the findings of the check before training."""
    paths = {}
    for part, ids in {"train": classes, "dev": classes, "test": classes, "ood": (*classes, 7)}.items():
        paths[part] = str(folder / f"{part}.hdf5")
        with h5py.File(paths[part], "w") as file:
            file["avgpool_512"] = np.zeros((len(ids), 1, dev_width if part == "dev" else 4), np.float32)
            file["Target"] = np.array(ids)
            file["Location"] = [f"{part}/{name}.jpg" for name in ids]
    raw = {"experiment": "e", "source": {"kind": "features", "features": {**paths, "descriptions": "d.csv"}}, **changes}
    config = examine(raw, read_schema(SCHEMA)).config
    return check_inputs(config, [], {"train_run"})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"evaluation": {"k": 3, "k_unseen": 4}, "training": {"k": 3}}, []),
        ({"evaluation": {"k": 4}}, ["Config: evaluation.k is 4, but there are only 3 in-domain classes; set it to 3"]),
        ({"evaluation": {"k_unseen": 5}}, ["Config: evaluation.k_unseen is 5, but unseen and seen classes together"]),
        (
            {"training": {"k": 6}},
            ["Config: training.k is 6, but there are only 3 in-domain classes; set it to 3 or less"],
        ),
        (
            {"runs": [{"name": "a", "training": {"k": 9}}, {"name": "b", "training": {"k": 4}}]},
            ["Config: training.k is 4, but", "Config: training.k is 9, but"],
        ),
        ({"dev_width": 5}, ["dev.hdf5: pooled has 5 values per image or cell, but that of "]),
        ({"game": {"image_layer": "fc"}}, [f"{part}.hdf5 has no fc" for part in ("train", "dev", "test", "ood")]),
    ],
)
def test_given_features_are_compared_with_the_config_before_training(tmp_path, changes, told):
    found = given_features(tmp_path, **changes)
    assert len(found) == len(told), found
    assert all(
        sentence.replace(f"{tmp_path}/", "").startswith(start) for sentence, start in zip(found, told, strict=True)
    )


def test_a_given_file_that_is_cut_off_is_reported_once(tmp_path):
    given_features(tmp_path)
    content = (tmp_path / "dev.hdf5").read_bytes()
    (tmp_path / "dev.hdf5").write_bytes(content[: len(content) // 2])
    (told,) = examine_features(tmp_path / "dev.hdf5", ["pooled", "map"]).problems
    assert "it is cut off at byte" in told


def test_training_k_above_the_number_of_classes_is_reported(here):
    (here / "a.tsv").write_text("class\twnid\tdomain\tgroup\tdescription\nant\t\tin\t\tan ant\n")
    found = findings(training={"k": 2})
    assert (
        "Config: training.k is 2, but there are only 1 in-domain classes; set it to 1 or less, or to null" in found[0]
    )
