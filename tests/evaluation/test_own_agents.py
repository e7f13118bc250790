"""Checkpoints of agents of one's own are evaluated as those of Parley's own agents."""

import json

import h5py
import numpy as np
import pytest
from evaluation.test_attention import Recorded
from game.plain_agents import PlainReceiver, PlainSender, parleys_name

from parley.core.errors import ParleyError
from parley.evaluation.attention import extract_attention
from parley.evaluation.evaluate import evaluate
from parley.evaluation.interventions import intervene
from parley.plugins import receiver, registry, sender
from parley.training.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(registry, "PLUGINS", {})
    sender("plain")(PlainSender)
    receiver("plain")(PlainReceiver)


def plain_beside(recorded, folder, **options):
    """The same run with the same weights in agents of one's own."""
    folder.mkdir()
    plain = Recorded(folder, sender="plain", receiver="plain", **options)
    for source, target in zip(recorded.agents, plain.agents, strict=True):
        values = source.state_dict()
        target.load_state_dict(
            {name: values[name if name in values else parleys_name(name)] for name in target.state_dict()}
        )
    checkpoint = load_checkpoint(folder / "best.pt")
    save_checkpoint(folder / "best.pt", checkpoint._replace(agents=plain.agents))
    return plain


def test_messages_and_weights_of_cells_are_those_of_parleys_own_agents(tmp_path):
    (tmp_path / "ours").mkdir()
    options = {"preset": "AdaptiveAttention"}
    recorded = Recorded(tmp_path / "ours", **options)
    plain = plain_beside(recorded, tmp_path / "plain", **options)
    (ours, _), (theirs, _) = recorded.write(), plain.write()
    assert ours.keys() == theirs.keys()
    assert "Sender" in theirs
    assert "Receiver" not in theirs
    np.testing.assert_allclose(theirs["Sender"], ours["Sender"], atol=1e-6)
    with h5py.File(tmp_path / "ours/messages.hdf5") as one, h5py.File(tmp_path / "plain/messages.hdf5") as other:
        for name in ("BinaryVec", "BinaryProb"):
            found, expected = other["Communication"][name], one["Communication"][name]
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_agents_that_return_no_weights_leave_no_file_but_an_error(tmp_path):
    recorded = Recorded(tmp_path, receiver="plain", description_attention=True)
    with pytest.raises(ParleyError, match=r"Receiver 'plain' return no attention weights; return them in"):
        extract_attention(recorded.inputs, {"test": tmp_path / "attention.hdf5"})
    assert not (tmp_path / "attention.hdf5").exists()


@pytest.mark.parametrize("measure", [evaluate, intervene])
def test_results_of_evaluation_and_interventions_are_those_of_parleys_own_agents(tmp_path, measure):
    (tmp_path / "ours").mkdir()
    recorded = Recorded(tmp_path / "ours")
    plain = plain_beside(recorded, tmp_path / "plain")
    ours, theirs = (tmp_path / f"{name}.json" for name in ("ours", "plain"))
    measure(recorded.inputs, (1, 2), ours)
    measure(plain.inputs, (1, 2), theirs)
    assert numbers(json.loads(theirs.read_text())) == pytest.approx(numbers(json.loads(ours.read_text())), abs=1e-4)


def numbers(value):
    """All numbers of nested values, in order."""
    if isinstance(value, dict | list):
        return [one for part in (value.values() if isinstance(value, dict) else value) for one in numbers(part)]
    return [value] if isinstance(value, int | float) else []
