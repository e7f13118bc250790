"""messages.hdf5 has the 2017 code's layout, read here with nothing but h5py."""

import h5py
import numpy as np
import pytest
import torch

from parley.core.errors import ParleyError
from parley.evaluation.evaluate import EvalBatchSpec
from parley.evaluation.messages import write_messages
from parley.game.agents import make_agents
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images
from parley.interaction.run import RolloutInputs, ranks, rollout_split
from parley.interaction.split_data import Part

IMAGES, EXCHANGES, BITS, CANDIDATES = 7, 4, 5, 6
KEYS = [f"{number:032x}" for number in range(IMAGES)]
IDS = [3, 1, 4, 15, 9, 2]
ABOUT = {"run": "a", "seed": 1, "part": "test"}


@pytest.fixture
def recorded(tmp_path):
    game = GameSettings(message_bits=BITS, max_exchanges=EXCHANGES)
    draw = torch.Generator().manual_seed(4)
    agents = make_agents(game, 11, 8, seeds=[2])
    target_index = torch.arange(IMAGES) % CANDIDATES
    images = Images(torch.randn(IMAGES, 11, generator=draw))
    descriptions = Descriptions(torch.randn(CANDIDATES, 8, generator=draw))
    dialogues = rollout_split(RolloutInputs(agents, images, target_index, descriptions, game, 3)).of(0)
    labels = [f"class {label}" for label in IDS]
    spec = EvalBatchSpec(Part(images, torch.tensor(IDS)[target_index], KEYS), target_index, IDS, labels, descriptions)
    write_messages(tmp_path / "messages.hdf5", dialogues, spec, ABOUT, "bernoulli")
    with h5py.File(tmp_path / "messages.hdf5") as file:
        return dialogues, spec, file["Communication"][:], file["Predictions"][:], dict(file.attrs)


def test_columns_are_those_of_the_original(recorded):
    _, _, communication, predictions, _ = recorded
    start = ("ExampleId", "AgentId", "Index", "Target", "Rank")
    assert communication.dtype.names == (*start, "BinaryProb", "BinaryVec")
    assert predictions.dtype.names == (*start, "Predictions", "StopProb", "StopVec", "StopMask")
    assert communication.dtype["ExampleId"] == "S50"
    assert communication.dtype["AgentId"] == "S1"
    assert communication.dtype["BinaryVec"].shape == (BITS,)
    assert predictions.dtype["Predictions"].shape == (CANDIDATES,)


def test_every_example_has_all_exchanges_in_order(recorded):
    _, _, communication, predictions, _ = recorded
    assert len(communication) == IMAGES * EXCHANGES * 2
    assert len(predictions) == IMAGES * EXCHANGES
    for number, key in enumerate(KEYS):
        rows = communication[number * EXCHANGES * 2 :][: EXCHANGES * 2]
        assert set(rows["ExampleId"]) == {key.encode()}
        assert rows["AgentId"].tolist() == [b"S", b"R"] * EXCHANGES
        assert rows["Index"].tolist() == list(range(2 * EXCHANGES))


def test_predictions_have_a_row_for_each_receiver_message(recorded):
    _, _, communication, predictions, _ = recorded
    receiver = communication[communication["AgentId"] == b"R"]
    for name in ("ExampleId", "Index", "Target", "Rank"):
        assert np.array_equal(receiver[name], predictions[name])


def test_values_are_those_of_the_dialogues(recorded):
    dialogues, spec, communication, predictions, _ = recorded
    for t in range(EXCHANGES):
        for row in range(IMAGES):
            index = row * EXCHANGES + t
            assert np.array_equal(communication[2 * index]["BinaryVec"], dialogues.sender_bits[t, row])
            assert np.array_equal(communication[2 * index + 1]["BinaryProb"], dialogues.receiver_probs[t, row])
            assert np.array_equal(predictions[index]["Predictions"], dialogues.scores[t, row])
            assert predictions[index]["StopProb"] == dialogues.go_on_probs[t, row]
            assert predictions[index]["StopMask"] == dialogues.active[t, row]
            assert predictions[index]["StopVec"] == dialogues.go_on[t, row]
            assert predictions[index]["Target"] == IDS[spec.target_index[row]]


def test_the_rank_is_the_true_rank(recorded):
    dialogues, spec, _, predictions, _ = recorded
    for row in predictions:
        scores = row["Predictions"]
        own = scores[IDS.index(row["Target"])]
        assert row["Rank"] == 1 + (scores > own).sum()
    final = ranks(dialogues.final_scores, spec.target_index)
    last = [predictions[row * EXCHANGES + int(t)]["Rank"] for row, t in enumerate(dialogues.last)]
    assert final.tolist() == last


def test_a_key_too_long_for_the_layout_is_an_error(recorded, tmp_path):
    dialogues, spec, *_ = recorded
    spec = spec._replace(part=spec.part._replace(keys=["x" * 51] * IMAGES))
    with pytest.raises(ParleyError, match="longer than 50"):
        write_messages(tmp_path / "m.hdf5", dialogues, spec, {}, "bernoulli")
