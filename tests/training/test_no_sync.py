"""A training step never waits for a value: on torch's meta device there are none.

Reading a value there (`item`, `bool`, a shape that depends on data) raises; on a GPU it would synchronise.
"""

import pytest
import torch

from parley.game.agents import make_agents
from parley.game.losses import EntropyWeights, compute_losses
from parley.game.settings import PRESETS, GameSettings, TrainingSettings
from parley.game.types import Descriptions, Images, RandomDraws
from parley.training.optimizer import Optimiser
from parley.training.trainer import step_metrics

OPTIONS = [
    *({"preset": preset} for preset in PRESETS),
    {"description_attention": True},
    *({"channel": channel} for channel in ("straight_through", "gumbel", "continuous", "continuous_original")),
    *({"baseline": baseline} for baseline in ("running_mean", "leave_one_out", "none")),
    {"flip_sender": 0.1, "mix": "mou"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_step_reads_no_value(options):
    game = GameSettings(message_bits=5, max_exchanges=3, **options)
    with torch.device("meta"):
        cells = (2, 6, 4, 7) if game.visual_attention else (2, 6, 7)
        images = Images(torch.empty(cells), torch.empty(2, 6, 9) if game.visual_attention else None)
        words = torch.empty(8, 3, 10), torch.empty(8, 3, dtype=torch.bool)
        descriptions = Descriptions(torch.empty(8, 10), *words)
        flips = torch.empty(2, 3, 6, 10) if game.flip_sender else None
        draws = RandomDraws(torch.empty(2, 3, 6, 11), flips)
        targets = torch.empty(2, 6, dtype=torch.int64)
    agents = make_agents(game, 7, 10, [1, 2], 9).to("meta")
    optimiser = Optimiser(agents._asdict(), TrainingSettings())
    loss_step = compute_losses(
        agents, images, descriptions, targets, draws, game, EntropyWeights(0.1, 0.1, 0.1), compact_finished=False
    )
    gradient = optimiser.backward(loss_step.losses.total)
    optimiser.step(gradient, torch.empty(len(optimiser.step_coefficients(1)), device="meta"))
    assert step_metrics(loss_step, targets).device.type == "meta"


def test_the_test_can_fail():
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.empty(3, device="meta").sum().item()
