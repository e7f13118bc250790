"""messages.hdf5 has the 2017 code's layout, read here with nothing but h5py."""

import h5py
import numpy as np
import pytest
import torch

from parley.core.errors import ParleyError
from parley.evaluation.messages import write_messages
from parley.game.agents import make_agents
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images
from parley.interaction.run import RolloutInputs, ranks, rollout_split

IMAGES, EXCHANGES, BITS, CANDIDATES = 7, 4, 5, 6
KEYS = [f"{number:032x}" for number in range(IMAGES)]
IDS = [3, 1, 4, 15, 9, 2]
ABOUT = {"run": "a", "seed": 1, "part": "test"}


@pytest.fixture
def said(tmp_path):
    game = GameSettings(message_bits=BITS, max_exchanges=EXCHANGES)
    draw = torch.Generator().manual_seed(4)
    agents = make_agents(game, 11, 8, seeds=[2])
    places = torch.arange(IMAGES) % CANDIDATES
    images = Images(torch.randn(IMAGES, 11, generator=draw))
    played = rollout_split(
        RolloutInputs(agents, images, places, Descriptions(torch.randn(CANDIDATES, 8, generator=draw)), game, 3)
    )
    labels = [f"class {label}" for label in IDS]
    write_messages(tmp_path / "messages.hdf5", played, KEYS, labels, IDS, ABOUT, "bernoulli")
    with h5py.File(tmp_path / "messages.hdf5") as file:
        return played, file["Communication"][:], file["Predictions"][:], dict(file.attrs)


def test_columns_are_those_of_the_original(said):
    _, communication, predictions, _ = said
    start = ("ExampleId", "AgentId", "Index", "Target", "Rank")
    assert communication.dtype.names == (*start, "BinaryProb", "BinaryVec")
    assert predictions.dtype.names == (*start, "Predictions", "StopProb", "StopVec", "StopMask")
    assert communication.dtype["ExampleId"] == "S50"
    assert communication.dtype["AgentId"] == "S1"
    assert communication.dtype["BinaryVec"].shape == (BITS,)
    assert predictions.dtype["Predictions"].shape == (CANDIDATES,)


def test_every_example_has_all_exchanges_in_turn(said):
    _, communication, predictions, _ = said
    assert len(communication) == IMAGES * EXCHANGES * 2
    assert len(predictions) == IMAGES * EXCHANGES
    for number, key in enumerate(KEYS):
        rows = communication[number * EXCHANGES * 2 :][: EXCHANGES * 2]
        assert set(rows["ExampleId"]) == {key.encode()}
        assert rows["AgentId"].tolist() == [b"S", b"R"] * EXCHANGES
        assert rows["Index"].tolist() == list(range(2 * EXCHANGES))


def test_a_row_of_predictions_for_each_row_of_the_receiver_in_order(said):
    _, communication, predictions, _ = said
    receiver = communication[communication["AgentId"] == b"R"]
    for name in ("ExampleId", "Index", "Target", "Rank"):
        assert np.array_equal(receiver[name], predictions[name])


def test_values_are_what_was_said(said):
    played, communication, predictions, _ = said
    dialogue = played.dialogue
    for t in range(EXCHANGES):
        for row in range(IMAGES):
            place = row * EXCHANGES + t
            assert np.array_equal(communication[2 * place]["BinaryVec"], dialogue.sender_bits[t, row])
            assert np.array_equal(communication[2 * place + 1]["BinaryProb"], dialogue.receiver_probs[t, row])
            assert np.array_equal(predictions[place]["Predictions"], dialogue.scores[t, row])
            assert predictions[place]["StopProb"] == dialogue.go_on_probs[t, row]
            assert predictions[place]["StopMask"] == dialogue.active[t, row]
            assert predictions[place]["StopVec"] == dialogue.go_on[t, row]
            assert predictions[place]["Target"] == IDS[played.target_index[row]]


def test_the_rank_is_the_true_rank(said):
    played, _, predictions, _ = said
    for row in predictions:
        scores = row["Predictions"]
        own = scores[IDS.index(row["Target"])]
        assert row["Rank"] == 1 + (scores > own).sum()
    final = ranks(played.dialogue.final_scores, played.target_index)
    last = [predictions[row * EXCHANGES + int(t)]["Rank"] for row, t in enumerate(played.dialogue.last)]
    assert final.tolist() == last


def test_a_key_too_long_for_the_layout_is_refused(said, tmp_path):
    played = said[0]
    with pytest.raises(ParleyError, match="longer than 50"):
        write_messages(tmp_path / "m.hdf5", played, ["x" * 51] * IMAGES, [], IDS, {}, "bernoulli")
