"""Caveats in the summary that opens the report."""

import pytest
from made_findings import curve, part_of, rows_of

from parley.report.figures.results import RunResults
from parley.report.page import caveats
from parley.report.page.funnel import Funnel


def results(curves, chosen):
    return RunResults(list(curves), chosen, None, part_of())


def caveats_of(rows=(), failed=(), of_runs=None, funnel=None, config=None):
    return caveats.find_caveats(list(rows), list(failed), of_runs or {}, funnel, config or {})


def test_few_and_failed_seeds_give_caveats():
    assert caveats_of(rows_of([0.5], images=4000))[0].startswith("One seed: ")
    assert caveats_of(rows_of([0.5, 0.51], images=4000))[0].endswith("it is marked n = 2.")
    assert caveats_of(rows_of([0.5, 0.51, 0.52], images=4000))[0].startswith("Few seeds: an interval from 3 values")
    assert caveats_of(rows_of([0.5, 0.5, 0.51, 0.51, 0.5], images=4000)) == []
    assert caveats_of(failed=[("a", 1), ("a", 2)]) == ["Failed, and therefore excluded from all means: 2 seeds."]


def features(weights, preprocessing="corrected"):
    """The section `features` of a config, complete as a validated one is."""
    custom = {"size": 224, "mean": [0.5] * 3, "sd": [0.5] * 3, "resize": None}
    section = {"backbone": "resnet34", "weights": weights, "seed": 0, "preprocessing": preprocessing, "custom": custom}
    return section | {"layers": ["pooled"], "map_dtype": "float32", "autocast": "none"}


def test_random_inputs_give_caveats():
    config = {"features": features("random"), "words": {"source": "random"}, "source": {"kind": "world"}}
    network, words = caveats_of(config=config)
    assert network == "The image features come from an untrained network."
    assert words.startswith("The word vectors are random")
    assert caveats_of(config={**config, "source": {"kind": "features"}}) == [words]
    assert caveats_of(config={"features": features("IMAGENET1K_V1"), "words": {"source": "glove.txt"}}) == []


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", []),
        ("open_clip/ViT-B-32:openai", []),
        ("open_clip/ViT-B-32:random", ["The descriptions' vectors come from an untrained encoder."]),
    ],
)
def test_with_an_encoder_words_have_no_vectors(encoder, told):
    assert caveats_of(config={"words": {"source": "random"}, "descriptions": {"encoder": encoder}}) == told


@pytest.mark.parametrize("weights", ["mine.pth", "models/mine"])
@pytest.mark.parametrize(("preprocessing", "warned"), [("corrected", True), ("original", True), ("custom", False)])
def test_weights_from_a_file_need_a_normalisation_of_their_own(weights, preprocessing, warned):
    sentences = caveats_of(config={"features": features(weights, preprocessing)})
    assert ["normalised as torchvision does" in sentence for sentence in sentences] == [True] * warned


def test_zero_of_few_has_a_margin_of_error():
    assert any("percentage points on test (20 images)" in one for one in caveats_of(rows_of([0.0] * 5, images=20)))


def test_single_candidate_gives_no_caveat():
    rows = rows_of([1.0, 1.0, 1.0], "transfer_alone", images=4000, candidates=1)
    assert rows[0].beats_chance is False
    assert not any("chance" in sentence for sentence in caveats_of(rows))


def test_small_splits_and_intervals_with_chance_give_caveats():
    sentences = caveats_of(rows_of([0.2, 0.2, 0.3, 0.3, 0.25]) + rows_of([0.9] * 5, "train"))
    assert sentences == [
        "The interval of accuracy includes chance on test.",
        "Small splits: from the choice of images alone, accuracy has a 95 % margin of error of ±13 percentage points "
        "on test (40 images). The intervals over seeds do not reflect this, because all seeds are tested on the same "
        "images.",
    ]
    assert caveats_of(rows_of([0.1] * 5, images=4000)) == []  # below chance


def test_images_and_short_training_give_caveats():
    assert caveats_of(funnel=Funnel({}, {}, pairs=2)) == [
        "Near-duplicate images in different splits (near_copies.tsv): 2 pairs."
    ]
    assert caveats_of(funnel=Funnel({}, {}, compared=False, dropped={"cat": []})) == [
        "Left out because of too few images: 1 class.",
        "Near-duplicates were not searched for (fetch.near_copies: ignore): other splits may contain "
        "near-duplicates of training images.",
    ]
    assert caveats_of(funnel=Funnel({}, {})) == []
    curves = [curve(0, (100, 200), (0.1, 0.3)), curve(1, (100, 200), (0.2, 0.4))]
    late = {"adaptive": results(curves, {0: 200, 1: 100})}
    assert caveats_of(of_runs=late) == [
        "For 1 of 2 seeds, the last checkpoint is the best on dev: longer training may help."
    ]
    assert caveats_of(of_runs={"adaptive": late["adaptive"]._replace(annealed=True)}) == []
    once = {"adaptive": results([curve(0, (100,), (0.1,))], {0: 100})}
    assert caveats_of(of_runs=once) == []
