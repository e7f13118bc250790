"""Metrics of recorded dialogues equal those of the evaluation that recorded them."""

import pytest
import torch
from made_runs import write_evaluation

from parley.evaluation.evaluate import EvalBatchSpec
from parley.evaluation.messages import write_messages
from parley.game.agents import make_agents
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images
from parley.interaction.run import RolloutInputs, rollout_split, score
from parley.interaction.split_data import Part
from parley.metrics.analysis import analyse_run

IMAGES, CANDIDATES, IDS = 37, 6, [3, 1, 4, 15, 9, 2]


@pytest.mark.parametrize("preset", ["Adaptive", "Fixed"])
def test_the_numbers_agree(tmp_path, preset):
    game = GameSettings(preset=preset, message_bits=5, max_exchanges=4)
    draw = torch.Generator().manual_seed(4)
    agents = make_agents(game, 11, 8, seeds=[2])
    images = Images(torch.randn(IMAGES, 11, generator=draw))
    target_index = torch.arange(IMAGES) % CANDIDATES
    descriptions = Descriptions(torch.randn(CANDIDATES, 8, generator=draw))
    dialogues = rollout_split(RolloutInputs(agents, images, target_index, descriptions, game, 10)).of(0)
    expected = score(dialogues, target_index, 2)
    own = tmp_path / "runs" / "adaptive" / "3"
    keys = [f"{number:032x}" for number in range(IMAGES)]
    write_evaluation(own, {"test": expected}, seed=3)
    about = {"run": "adaptive", "seed": 3, "part": "test", "step": 100}
    labels = [f"class {label}" for label in IDS]
    spec = EvalBatchSpec(Part(images, torch.tensor(IDS)[target_index], keys), target_index, IDS, labels, descriptions)
    write_messages(own / "messages.hdf5", dialogues, spec, about, "bernoulli")

    analysis = analyse_run(own)
    found = analysis["parts"]["test"]
    assert analysis["warnings"] == []
    for ours, theirs in (("n", "n"), ("nll_nats", "nll"), *((name, name) for name in expected if name in found)):
        assert found[ours] == pytest.approx(expected[theirs], abs=1e-6), ours
    assert found["messages"]["keys"] == keys
