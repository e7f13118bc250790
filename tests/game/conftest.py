"""Small random games in float64, so that comparisons can have tight tolerances."""

import pytest
import torch

from parley.game.agents import make_agents
from parley.game.losses import EntropyWeights, compute_losses
from parley.game.rollout import rollout
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images, RandomDraws

ENTROPIES = EntropyWeights(0.01, 0.01, 0.08)


class SmallGame:
    """Agents with a batch of random images and descriptions."""

    def __init__(self, batch=6, candidates=5, channels=7, cells=4, word_size=8, words=3, seeds=(1,), **options):
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
        self.agents = make_agents(self.settings, channels, word_size, seeds, context_size=11).to(torch.float64)
        shape = (self.settings.max_exchanges, batch, 2 * self.settings.message_bits + 1)
        self.uniforms = torch.rand(shape, generator=draw, dtype=torch.float64)
        flips = torch.rand(*shape[:2], shape[2] - 1, generator=draw, dtype=torch.float64)
        self.flips = flips if self.settings.flip_sender or self.settings.flip_receiver else None

    def draws(self):
        """Return the random numbers of a batch, the same for every seed."""
        seeds = self.agents.sender.seeds
        return RandomDraws(
            *(None if part is None else part.expand(seeds, *part.shape) for part in (self.uniforms, self.flips))
        )

    def dialogue(self, sampled=True, images=None, draws=None):
        """Return the first seed's dialogues, all exchanges."""
        draws = draws or (self.draws() if sampled else None)
        agents = self.agents
        return rollout(agents.sender, agents.receiver, images or self.images, self.descriptions, draws).of(0)

    def learn(self, entropy_weights=ENTROPIES, **how):
        """Return the losses of the batch."""
        seeds = self.agents.sender.seeds
        targets = self.targets.expand(seeds, -1)
        return compute_losses(
            self.agents, self.images, self.descriptions, targets, self.draws(), self.settings, entropy_weights, **how
        )


@pytest.fixture
def small_game():
    return SmallGame
