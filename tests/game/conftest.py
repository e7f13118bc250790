"""Small games, drawn from a seed, in float64 so that comparisons can be strict."""

import pytest
import torch

from parley.game.agents import make_agents
from parley.game.payloads import Descriptions, Images
from parley.game.settings import GameSettings


class SmallGame:
    """A batch of made-up images and descriptions with agents to talk about them."""

    def __init__(self, batch=6, candidates=5, channels=7, cells=4, word_size=8, words=3, **options):
        sizes = {"message_bits": 3, "max_exchanges": 4, "sender_hidden": 9, "receiver_hidden": 10}
        self.settings = GameSettings(**{**sizes, **options})
        draw = torch.Generator().manual_seed(2)

        def normal(*shape):
            return torch.randn(*shape, generator=draw, dtype=torch.float64)

        attention = self.settings.visual_attention
        self.images = Images(
            normal(batch, cells, channels) if attention else normal(batch, channels),
            normal(batch, 11) if attention else None,
        )
        tokens = normal(candidates, words, word_size)
        is_word = torch.arange(words)[None] < 1 + torch.arange(candidates)[:, None] % words
        tokens = tokens * is_word[..., None]
        self.descriptions = Descriptions(tokens.mean(1), tokens, is_word)
        self.targets = torch.arange(batch) % candidates
        agents = make_agents(self.settings, channels, word_size, seed=1, context_size=11)
        self.agents = type(agents)(*(network.double() for network in agents))
        shape = (self.settings.max_exchanges, batch, 2 * self.settings.message_bits + 1)
        self.uniforms = torch.rand(shape, generator=draw, dtype=torch.float64)


@pytest.fixture
def small_game():
    return SmallGame
