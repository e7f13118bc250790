"""Trainers of several seeds on what is easily learned, in the settings that make the networks differ."""

import torch
from easy_runs import easy

from parley.game.settings import GameSettings, TrainingSettings
from parley.game.types import Descriptions, Images
from parley.interaction.split_data import Part
from parley.training.trainer import Trainer
from parley.training.training_data import build_training_data

SEEDS = (3, 1, 8)
GAMES = {
    "Fixed": {"preset": "Fixed"},
    "Adaptive": {"max_exchanges": 6},
    "mou": {"mix": "mou", "ignore_code": True},
    "attention": {"preset": "AdaptiveAttention", "sender_attention_hidden": 8},
    "gumbel": {"channel": "gumbel"},
    "running mean": {"baseline": "running_mean"},
    "flips": {"flip_sender": 0.1, "flip_receiver": 0.2},
    "words": {"description_attention": True},
}


def training_data_of(game):
    train, dev, candidates = easy()
    if game.description_attention:
        vectors = candidates.descriptions.vectors
        words = torch.randn(len(vectors), 3, vectors.shape[1], generator=torch.Generator().manual_seed(6))
        is_word = torch.arange(3) <= torch.arange(len(vectors))[:, None]
        candidates = candidates._replace(descriptions=Descriptions(vectors, words, is_word))
    if game.visual_attention:
        draw = torch.Generator().manual_seed(5)
        cells = train.images.features[:, None] + torch.randn(len(train.targets), 4, 16, generator=draw)
        train = dev = Part(Images(cells, torch.randn(len(train.targets), 7, generator=draw)), train.targets, train.keys)
    return build_training_data(train, dev, candidates, game)


def trainer_of(name, seeds, precision, device="cpu", **options):
    game = GameSettings(message_bits=6, **{"max_exchanges": 3, **GAMES[name]})
    easily = {"batch_size": 16, "learning_rate": 1e-3, "feature_noise": 0.1, "blend": name == "Fixed"}
    training = TrainingSettings(**{**easily, "device": device, **options})
    return Trainer(training_data_of(game), game, training, seeds, precision)


def rows(seed, step):
    return torch.randperm(48, generator=torch.Generator().manual_seed(1000 * seed + step))[:16]
