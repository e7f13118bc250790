"""The Sender gets any layer of a split's file, by its role or its dataset's name."""

import h5py
import numpy as np
import pytest
import torch

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings
from parley.interaction.split_data import Maps, load_part, target_index_of

COUNT = 6


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """A split in the 2017 code's layout, with an additional layer."""
    draw = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("part") / "train.hdf5"
    values = {
        "avgpool_512": draw.normal(size=(COUNT, 1, 512)),
        "fc": draw.normal(size=(COUNT, 1, 1000)),
        "layer4_2": draw.normal(size=(COUNT, 1, 512, 2, 3)),
        "mine": draw.normal(size=(COUNT, 1, 7)),
    }
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            file[name] = value.astype(np.float32)
        file["Target"] = np.arange(COUNT) % 3
        file["Location"] = np.array([f"{row}.jpg".encode() for row in range(COUNT)])
    return path, {name: value.astype(np.float32)[:, 0] for name, value in values.items()}


@pytest.mark.parametrize(
    ("layer", "dataset"),
    [("auto", "avgpool_512"), ("pooled", "avgpool_512"), ("logits", "fc"), ("fc", "fc"), ("mine", "mine")],
)
def test_a_vector_is_the_named_layer(part, layer, dataset):
    path, values = part
    found = load_part(path, GameSettings(image_layer=layer))
    assert np.array_equal(found.images.features, values[dataset])
    assert found.images.context is None
    assert found.targets.tolist() == [0, 1, 2, 0, 1, 2]


def test_with_attention_images_are_cells_with_logits_as_context(part):
    path, values = part
    found = load_part(path, GameSettings(preset="AdaptiveAttention"))
    assert isinstance(found.images, Maps)
    taken = found.images.take(torch.tensor([4, 0]))
    # Cell l of the map is its row l // w and its column l % w.
    assert np.array_equal(taken.features, values["layer4_2"][[4, 0]].reshape(2, 512, 6).transpose(0, 2, 1))
    assert np.array_equal(taken.context, values["fc"][[4, 0]])


def test_without_context_no_logits_are_needed(part, tmp_path):
    path = tmp_path / "train.hdf5"
    with h5py.File(part[0]) as whole, h5py.File(path, "w") as file:
        for name in set(whole) - {"fc"}:
            whole.copy(name, file)
    with pytest.raises(ParleyError, match="fc"):
        load_part(path, GameSettings(preset="AdaptiveAttention"))
    found = load_part(path, GameSettings(preset="AdaptiveAttention", attention_context=False))
    assert found.images.context is None
    assert found.images.take(torch.tensor([4, 0])).context is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image_layer": "map"}, "is a feature map, which requires a Sender with visual attention"),
        ({"image_layer": "pooled", "preset": "FixedAttention"}, "has no cells to attend to"),
    ],
)
def test_a_layer_that_does_not_match_the_game_is_an_error(part, settings, sentence):
    with pytest.raises(ParleyError, match=sentence):
        load_part(part[0], GameSettings(**settings))


def test_a_target_that_is_not_a_candidate_is_an_error():
    assert target_index_of(torch.tensor([5, 2, 5]), [2, 5], "The dev split").tolist() == [1, 0, 1]
    with pytest.raises(ParleyError, match="The dev split contains images of label 7, which no candidate has"):
        target_index_of(torch.tensor([5, 7]), [2, 5], "The dev split")


@pytest.mark.parametrize("preset", ["Adaptive", "AdaptiveAttention"])
def test_permuted_labels_change_nothing_else(part, preset):
    plain = load_part(part[0], GameSettings(preset=preset))
    permuted = [load_part(part[0], GameSettings(preset=preset, permute_labels=number)) for number in (1, 1, 2)]
    orders = [found.targets.tolist() for found in permuted]
    assert orders[0] == orders[1] != orders[2]
    for found, labels in zip(permuted, orders, strict=True):
        assert labels != plain.targets.tolist()
        assert sorted(labels) == sorted(plain.targets.tolist())
        assert found.keys == plain.keys
        rows = torch.arange(COUNT)
        seen, before = (one.images.take(rows).features for one in (found, plain))
        assert torch.equal(seen, before)


def test_splits_of_the_same_size_and_order_have_different_permutations(part, tmp_path):
    """With one permutation, what is learned on one split would be right on the other."""
    other = tmp_path / "dev.hdf5"
    other.write_bytes(part[0].read_bytes())
    with h5py.File(other, "r+") as file:
        del file["Location"]
        file["Location"] = np.array([f"another{row}.jpg".encode() for row in range(COUNT)])
    one, two = (load_part(path, GameSettings(permute_labels=1)).targets.tolist() for path in (part[0], other))
    assert one != two


def test_target_indices_follow_any_order_of_candidates():
    ids = [7, 3, 11, 0]
    targets = torch.tensor([0, 11, 3, 3, 7])
    assert target_index_of(targets, ids, "The test split").tolist() == [ids.index(one) for one in targets.tolist()]
    for stray in (5, 12, -1):
        with pytest.raises(
            ParleyError, match=f"The test split contains images of label {stray}, which no candidate has"
        ):
            target_index_of(torch.tensor([7, stray]), ids, "The test split")


def test_target_indices_among_many_candidates_need_little_memory():
    """100,000 images among 50,000 candidates: a comparison of all pairs would take 5 GB."""
    ids = torch.randperm(50_000, generator=torch.Generator().manual_seed(1))
    targets = ids[torch.arange(100_000) % 50_000]
    assert torch.equal(target_index_of(targets, ids.tolist(), "The test split"), torch.arange(100_000) % 50_000)
