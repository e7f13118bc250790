"""The world can be learned through the network that the default experiment looks through."""

import numpy as np
import pytest

from parley.synthetic.attributes import CREATURES
from parley.synthetic.drawing import draw

TRAIN, TEST, UNSEEN = 30, 10, 20
SEEN_CLASSES = 24
Array = np.ndarray


def random_features(pictures: list[Array]) -> Array:
    """Return avgpool features [N, 512] of a seeded random ResNet-34, ImageNet's normalisation."""
    import torch
    import torchvision

    torch.manual_seed(0)
    network = torchvision.models.resnet34(weights=None).eval()
    network.fc = torch.nn.Identity()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    sd = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    batches = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 32):
            batch = torch.from_numpy(np.stack(pictures[start : start + 32])).permute(0, 3, 1, 2) / 255
            batches.append(network((batch - mean) / sd).numpy())
    return np.concatenate(batches).astype(float)


def description_vectors(seed: int) -> Array:
    """Return the means of random word vectors [30, 100] of the descriptions' words."""
    draws = np.random.default_rng(seed)
    fillers = {"a", "and", "with"}
    words = sorted({word for creature in CREATURES for word in creature.description.split()} - fillers)
    vector = dict(zip(words, draws.normal(size=(len(words), 100)), strict=True))
    texts = [set(creature.description.split()) - fillers for creature in CREATURES]
    return np.stack([np.mean([vector[word] for word in text], axis=0) for text in texts])


@pytest.fixture(scope="module")
def features() -> tuple[Array, Array, Array]:
    """Standardised features: train [24, 30, 512], test [24, 10, 512], unseen [6, 20, 512]."""
    seen = [draw(creature, index, 0, 112) for creature in CREATURES[:SEEN_CLASSES] for index in range(TRAIN + TEST)]
    unseen = [draw(creature, index, 0, 112) for creature in CREATURES[SEEN_CLASSES:] for index in range(UNSEEN)]
    raw = random_features([np.asarray(picture) for picture in seen + unseen])
    of_seen = raw[: len(seen)].reshape(SEEN_CLASSES, TRAIN + TEST, -1)
    train = of_seen[:, :TRAIN]
    mean, sd = train.mean(axis=(0, 1)), train.std(axis=(0, 1)) + 1e-9
    of_unseen = raw[len(seen) :].reshape(-1, UNSEEN, raw.shape[1])
    return (train - mean) / sd, (of_seen[:, TRAIN:] - mean) / sd, (of_unseen - mean) / sd


@pytest.mark.slow
def test_a_linear_probe_separates_the_seen_classes(features: tuple[Array, Array, Array]) -> None:
    from sklearn.linear_model import LogisticRegression

    train, test, _ = features
    probe = LogisticRegression(C=0.03, max_iter=1000)
    probe.fit(np.concatenate(train), np.repeat(np.arange(SEEN_CLASSES), TRAIN))
    right = probe.predict(np.concatenate(test)) == np.repeat(np.arange(SEEN_CLASSES), TEST)
    assert right.mean() > 0.75  # chance 1/24


@pytest.mark.slow
def test_unseen_combinations_are_named_from_their_parts(features: tuple[Array, Array, Array]) -> None:
    """Ridge regression onto descriptions, fitted on the seen classes, names the unseen ones."""
    train, _, unseen = features
    inputs, alone, joint = np.concatenate(train), [], []
    target = np.repeat(np.arange(len(unseen)), UNSEEN)
    for seed in range(3):
        texts = description_vectors(seed)
        wanted = np.repeat(texts[:SEEN_CLASSES], TRAIN, axis=0)
        weights = np.linalg.solve(
            inputs.T @ inputs + 30 * np.eye(inputs.shape[1]), inputs.T @ (wanted - wanted.mean(0))
        )
        guesses = np.concatenate(unseen) @ weights + wanted.mean(0)
        scores = guesses @ (texts / np.linalg.norm(texts, axis=1, keepdims=True)).T
        alone.append((scores[:, SEEN_CLASSES:].argmax(axis=1) == target).mean())
        joint.append((scores.argmax(axis=1) == target + SEEN_CLASSES).mean())
    assert np.mean(alone) > 0.6  # chance 1/6
    assert np.mean(joint) > 0.15  # chance 1/30
