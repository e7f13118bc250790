"""attention.hdf5 holds the attention weights, recomputed here from the checkpoint's parameters."""

import h5py
import numpy as np
import pytest
import torch
from original_files import write_words

from parley.cli.main import main
from parley.core.errors import ParleyError
from parley.evaluation.attention import extract_attention
from parley.evaluation.evaluate import EvalInputs
from parley.evaluation.messages import extract_messages
from parley.game.agents import make_agents
from parley.game.settings import GameSettings, TrainingSettings
from parley.interaction.split_data import Scale, Standardizer
from parley.training.checkpoint import Checkpoint, Sizes, save_checkpoint

IMAGES, EXCHANGES, BITS, CHANNELS, CONTEXT, WORD = 7, 4, 5, 6, 9, 8
HEIGHT, WIDTH = 2, 3
TEXTS = ["antlike beast", "beast", "a catlike doglike beast"]
WORDS = [["antlike", "beast", ""], ["beast", "", ""], ["catlike", "doglike", "beast"]]
TARGETS = [1, 2, 0, 2, 1, 0, 0]


class Recorded:
    """An untrained checkpoint, a split, and the files written for them."""

    def __init__(self, folder, **options):
        self.folder = folder
        game = GameSettings(message_bits=BITS, max_exchanges=EXCHANGES, **options)
        self.agents = make_agents(game, CHANNELS, WORD, [3], CONTEXT)
        with torch.no_grad():  # to make the weights far from equal
            for network in (self.agents.sender, self.agents.receiver):
                for parameter in network.parameters():
                    parameter.mul_(3)
        scale = Standardizer(
            Scale(torch.full((CHANNELS,), 0.5), torch.full((CHANNELS,), 2.0)),
            Scale(torch.zeros(CONTEXT), torch.ones(CONTEXT)) if game.visual_attention else None,
        )
        training, sizes = TrainingSettings(dev_batch_size=3), Sizes(CHANNELS, WORD, CONTEXT)
        checkpoint = Checkpoint(self.agents, scale, game, training, sizes, [0, 1, 2], 3, 20, {})
        save_checkpoint(folder / "best.pt", checkpoint)
        draw = np.random.default_rng(1)
        self.maps = draw.normal(size=(IMAGES, CHANNELS, HEIGHT, WIDTH)).astype(np.float32)
        self.logits = draw.normal(size=(IMAGES, CONTEXT)).astype(np.float32)
        with h5py.File(folder / "test.hdf5", "w") as file:
            file["Target"] = np.array(TARGETS)
            file["Location"] = file["Key"] = np.array([f"{9 - row:032x}".encode() for row in range(IMAGES)])
            file["layer4_2"], file["fc"] = self.maps[:, None], self.logits[:, None]
            file["avgpool_512"] = self.maps.mean((2, 3))[:, None]
        text = "".join(f"{label},c{label},{text}\n" for label, text in enumerate(TEXTS))
        (folder / "descriptions.csv").write_text(text)
        write_words(folder / "words.hdf5", ["ant", "bee", "cat", "dog"], WORD)

    @property
    def inputs(self):
        """Inputs of every stage after training."""
        return EvalInputs(
            self.folder / "best.pt",
            {"test": str(self.folder / "test.hdf5")},
            str(self.folder / "descriptions.csv"),
            str(self.folder / "words.hdf5"),
            {"experiment": "e", "run": "r", "seed": 3},
        )

    def write(self):
        """The two files, as arrays and attributes by name."""
        extract_messages(self.inputs, {"test": self.folder / "messages.hdf5"})
        extract_attention(self.inputs, {"test": self.folder / "attention.hdf5"})
        with h5py.File(self.folder / "attention.hdf5") as file:
            arrays = {name: file[name][:] for name in file}
            self.chunks = {name: file[name].chunks for name in file}
            attributes = dict(file.attrs)
            self.grid = dict(file["Sender"].attrs) if "Sender" in file else {}
        return arrays, attributes

    def received(self, agent):
        """Messages of an agent as received, ``[N, T, d]``."""
        with h5py.File(self.folder / "messages.hdf5") as file:
            table = file["Communication"][:]
        return torch.tensor(table[table["AgentId"] == agent]["BinaryVec"].reshape(IMAGES, EXCHANGES, BITS)).float()

    def parameters(self, name):
        return {key: value[0] for key, value in getattr(self.agents, name).state_dict().items()}


BOTH = {"preset": "AdaptiveAttention", "description_attention": True}


def energies(own, start, hidden):
    return (hidden.tanh() @ own[f"{start}.energy.weight"].T + own[f"{start}.energy.bias"])[..., 0]


def affine(own, name, values):
    return values @ own[f"{name}.weight"].T + own[f"{name}.bias"]


def test_weights_of_cells_follow_from_the_parameters(tmp_path):
    recorded = Recorded(tmp_path, **BOTH)
    arrays, _ = recorded.write()
    own, questions = recorded.parameters("sender"), recorded.received(b"R")
    cells = (torch.tensor(recorded.maps).flatten(2).mT - 0.5) / 2
    steady = affine(own, "eye.attention.item", cells)
    steady = steady + affine(own, "eye.attention.queries.1", torch.tensor(recorded.logits))[:, None]
    for t in range(EXCHANGES):
        expected = torch.full((IMAGES, HEIGHT * WIDTH), 1 / (HEIGHT * WIDTH))
        if t:
            query = affine(own, "eye.attention.queries.0", questions[:, t - 1])
            expected = energies(own, "eye.attention", steady + query[:, None]).softmax(-1)
            assert expected.std() > 0.02
        np.testing.assert_allclose(arrays["Sender"][:, t], expected, atol=1e-5)


def test_weights_of_words_follow_from_the_parameters(tmp_path):
    recorded = Recorded(tmp_path, **BOTH)
    arrays, _ = recorded.write()
    own, messages = recorded.parameters("receiver"), recorded.received(b"S")
    cell = torch.nn.GRUCell(BITS, own["listen.weight_hh"].shape[1])
    cell.load_state_dict({name.removeprefix("listen."): own[name] for name in own if name.startswith("listen.")})
    with h5py.File(tmp_path / "words.hdf5") as file:
        vectors = dict(zip((word.decode() for word in file["word"]), torch.tensor(file["vector"][:]), strict=True))
    state = torch.zeros(IMAGES, cell.hidden_size)
    for t in range(EXCHANGES):
        state = cell(messages[:, t], state).detach()
        query = affine(own, "attention.queries.0", state)
        for candidate, words in enumerate(WORDS):
            known = [vectors[word] for word in words if word]
            keys = affine(own, "attention.item", torch.stack(known))
            expected = energies(own, "attention", keys + query[:, None]).softmax(-1)
            found = arrays["Receiver"][:, t, candidate]
            np.testing.assert_allclose(found[:, : len(known)], expected, atol=1e-3)
            assert (found[:, len(known) :] == 0).all()


@pytest.mark.parametrize("shuffle", ["none", "both"])
def test_weights_sum_to_one_and_keys_are_in_the_order_of_the_messages(tmp_path, shuffle):
    recorded = Recorded(tmp_path, **BOTH, shuffle=shuffle)
    arrays, attributes = recorded.write()
    assert (arrays["Sender"].dtype, arrays["Receiver"].dtype) == (np.float32, np.float16)
    assert arrays["Sender"].shape == (IMAGES, EXCHANGES, HEIGHT * WIDTH)
    assert arrays["Receiver"].shape == (IMAGES, EXCHANGES, 3, 3)
    np.testing.assert_allclose(arrays["Sender"].sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(arrays["Receiver"].astype(float).sum(-1), 1, atol=2e-3)
    with h5py.File(tmp_path / "messages.hdf5") as file:
        predictions = file["Predictions"][::EXCHANGES]
    assert arrays["Key"].tolist() == predictions["ExampleId"].tolist()
    assert arrays["Target"].tolist() == predictions["Target"].tolist() == TARGETS
    assert recorded.grid == {"height": HEIGHT, "width": WIDTH}
    assert recorded.chunks["Receiver"] == (1, EXCHANGES, 3, 3)
    assert [[word.decode() for word in row] for row in arrays["Words"]] == WORDS
    assert attributes["labels"] == '["c0", "c1", "c2"]'
    assert (attributes["run"], attributes["part"], attributes["step"]) == ("r", "test", 20)


@pytest.mark.parametrize(
    ("options", "datasets"),
    [
        ({"preset": "FixedAttention"}, {"Key", "Target", "Sender"}),
        ({"description_attention": True}, {"Key", "Target", "Receiver", "Words"}),
    ],
)
def test_only_existing_attention_is_written(tmp_path, options, datasets):
    arrays, _ = Recorded(tmp_path, **options).write()
    assert set(arrays) == datasets


def test_a_run_without_attention_is_an_error(tmp_path):
    recorded = Recorded(tmp_path)
    with pytest.raises(ParleyError, match="has no attention"):
        extract_attention(recorded.inputs, {"test": tmp_path / "attention.hdf5"})
    assert not (tmp_path / "attention.hdf5").exists()


def command(recorded, *more):
    best, parts, descriptions, words, *_ = recorded.inputs
    text = ["--descriptions", descriptions, "--words", words]
    out = ["--out", str(recorded.folder / "m.hdf5")]
    return main(["messages", str(best), "--features", parts["test"], *text, *out, *map(str, more)])


def test_the_command_writes_the_same_weights_when_asked(tmp_path):
    recorded = Recorded(tmp_path, **BOTH)
    arrays, _ = recorded.write()
    assert command(recorded) == 0
    before = set(tmp_path.iterdir())
    assert command(recorded, "--attention", tmp_path / "a.hdf5") == 0
    assert set(tmp_path.iterdir()) - before == {tmp_path / "a.hdf5"}
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert all(np.array_equal(file[name][:], arrays[name]) for name in arrays)


def test_the_command_fails_before_it_writes_anything(tmp_path, capsys):
    recorded = Recorded(tmp_path)
    assert command(recorded, "--attention", tmp_path / "a.hdf5") == 1
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert "has no attention" in error
    assert not (tmp_path / "m.hdf5").exists()
