"""What measures find where there is nothing to find: a run whose labels were permuted over the images.

The whole line of a run, from files of features to the measures of its messages.
"""

import json

import h5py
import numpy as np
import pytest
import torch
from scipy.stats import combine_pvalues

from parley.analysis.language import LanguageInputs, write_language
from parley.evaluation.evaluate import EvalInputs
from parley.evaluation.messages import extract_messages
from parley.game.settings import GameSettings, TrainingSettings, as_mapping
from parley.text.descriptions import Description, write_descriptions
from parley.text.word_vectors import Words, write_words
from parley.training.checkpoint_selection import select
from parley.training.loop import train_from_files

CLASSES, IMAGES, CHANNELS = 20, 16, 24
CLEAR = ("accuracy@1", "accuracy@k", "macro_f1", "information")
KNOWING = (*CLEAR, "topographic_similarity")
"""Measures that know the label, and have a null."""
HELD_OUT = ("dev", "test", "ood", "ood_alone")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Classes that lie far apart; four of them unseen, with the words of seen ones."""
    folder, draw = tmp_path_factory.mktemp("permuted"), np.random.default_rng(0)
    all_classes = CLASSES + 4
    kinds = draw.normal(size=(all_classes, CHANNELS))
    for part in ("train", "dev", "test", "ood"):
        seen = np.arange(CLASSES) if part != "ood" else np.arange(CLASSES, all_classes)
        targets = np.repeat(seen, IMAGES)
        with h5py.File(folder / f"{part}.hdf5", "w") as file:
            values = 3 * kinds[targets] + draw.normal(size=(len(targets), CHANNELS))
            file["avgpool_512"] = values.astype(np.float32)[:, None]
            file["Target"] = targets
            file["Location"] = file["Key"] = [f"{part}{row}".encode() for row in range(len(targets))]
    words = [f"w{number}" for number in range(20)]
    write_words(
        folder / "words.hdf5", Words(words, draw.normal(size=(20, 12)).astype(np.float32), np.ones(20, bool)), "", ""
    )
    texts = [" ".join(draw.choice(words, 4, replace=False)) for _ in range(all_classes)]
    write_descriptions(folder / "descriptions.csv", [Description(n, f"c{n}", text) for n, text in enumerate(texts)])
    return folder


def found(data, seed=1, **settings):
    """Train a run, choose its checkpoint, write down its messages and measure them."""
    torch.set_num_threads(1)
    own = data / "runs" / "-".join(["a", *map(str, settings.values())]) / str(seed)
    game = as_mapping(GameSettings(message_bits=8, max_exchanges=3, **settings))
    training = as_mapping(
        TrainingSettings(steps=500, batch_size=40, learning_rate=3e-3, dev_every=250, first_checkpoint=250)
    )
    about = {"experiment": "e", "run": own.parent.name, "seed": seed}
    parts = {part: str(data / f"{part}.hdf5") for part in ("train", "dev", "test", "ood")}
    texts = str(data / "descriptions.csv"), str(data / "words.hdf5")
    train_from_files([{**about, "k": 3, "game": game, "training": training}], parts, *texts, [own])
    select(own, "accuracy@k")
    files = {name: str(own / f"messages.{name}.hdf5") for name in ("train", *HELD_OUT)}
    extract_messages(EvalInputs(own / "best.pt", parts, *texts, about), files)
    write_language([files[name] for name in HELD_OUT], LanguageInputs(*texts, parts), (3, 3), own / "language.json")
    return json.loads((own / "language.json").read_text())["parts"]


@pytest.mark.slow
def test_with_permuted_labels_every_metric_is_inside_its_null(data):
    measured = found(data, permute_labels=1)
    ps = {(part, metric): measured[part]["p"][metric] for part in HELD_OUT for metric in KNOWING}
    # Twenty p-values, about even between 0 and 1, though not independent: none at the end, few near it; and were the
    # nulls too wide, hardly any would be below a half.
    assert min(ps.values()) > 0.001, ps
    assert sum(p < 0.05 for p in ps.values()) <= 4, ps
    assert 4 <= sum(p < 0.5 for p in ps.values()) <= 16, ps
    for part in HELD_OUT:
        told = measured[part]["measures"]
        assert told["accuracy@1"] <= measured[part]["null"]["accuracy@1"]["high"] + 0.03
        assert told["information_gained"] < 0.1
        # The plug-in is fooled.
        assert told["information"] > 0.3
        # A measure that knows no label still finds that messages follow what is seen.
        assert measured[part]["p"]["topographic_similarity_features"] == pytest.approx(1 / 1001)


@pytest.mark.slow
def test_with_true_labels_the_same_metrics_are_beyond_their_null(data):
    runs = [found(data, seed) for seed in range(1, 5)]
    for part in ("dev", "test"):
        for measured in runs:
            assert {metric: measured[part]["p"][metric] for metric in CLEAR} == pytest.approx(
                dict.fromkeys(CLEAR, 1 / 1001)
            )
            assert measured[part]["measures"]["information_gained"] > 1
        # Nothing rewards topographic similarity: a seed alone may be inside its null, all seeds together are not.
        assert combine_pvalues([measured[part]["p"]["topographic_similarity"] for measured in runs]).pvalue < 0.001
