"""Parts of the game and of training that plug-ins register: channel, baseline, reward and augmentation."""

import dataclasses
import json
import runpy
from pathlib import Path

import pytest
import torch
from easy_runs import easy

from parley.core.errors import ParleyError
from parley.game.agents import make_agents
from parley.game.channel import Channel, Continuous, Message, make_channel
from parley.game.losses import reward_of
from parley.game.rng import counter_states
from parley.game.settings import GameSettings, TrainingSettings, as_mapping
from parley.plugins import augmentation, channel, registry, reward
from parley.plugins.declared import read_plugins
from parley.runtime.code_digest import Sources
from parley.training.checkpoint import load_checkpoint, save_checkpoint
from parley.training.trainer import METRICS, Trainer
from parley.training.training_data import augmentations, build_training_data

EXAMPLES = sorted(Path(__file__).with_name("examples").glob("*_*.py"))
GAME = {"message_bits": 6, "max_exchanges": 3}
OPTIONS = {"noise_sd": 1.5, "decay": 0.5, "among": 2}


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """Register the parts of the examples, for one test."""
    monkeypatch.setattr(registry, "PLUGINS", {})
    for path in EXAMPLES:
        runpy.run_path(str(path))


def all_parts():
    game = GameSettings(
        channel="noisy", baseline="recent_mean", reward="near_miss", plugin_options=dict(OPTIONS), **GAME
    )
    training = TrainingSettings(batch_size=16, augmentations=("brightness",), plugin_options={"most": 1.5})
    return game, training


def own_agents(**options):
    game = GameSettings(
        sender="remembering", receiver="transformer", plugin_options={"width": 16, "layers": 1}, **{**GAME, **options}
    )
    return game, TrainingSettings(batch_size=16, learning_rate=1e-3)


SETTINGS = pytest.mark.parametrize("settings", [all_parts, own_agents], ids=["parts", "agents"])


def trainer_of(seeds, game, training):
    return Trainer(build_training_data(*easy(), game), game, training, seeds)


def rows(seed, step):
    return torch.randperm(48, generator=torch.Generator().manual_seed(100 * seed + step))[:16]


def train(trainer, first, last):
    return [
        trainer.train_step(step, torch.stack([rows(seed, step) for seed in trainer.seeds]))
        for step in range(first, last + 1)
    ]


def test_examples_are_short():
    assert len(EXAMPLES) >= 4
    for path in EXAMPLES:
        assert len(path.read_text().splitlines()) < 40, path


def test_examples_read_without_running_them_have_no_problems_and_the_options_of_their_decorators():
    parts, problems = read_plugins(map(str, EXAMPLES), {}, Sources())
    assert problems == []
    assert len(parts) == len(EXAMPLES)
    for part in parts:
        assert registry.PLUGINS[part.kind][part.name].options == part.options


@pytest.mark.parametrize("arguments", ["features, states", "features, states, other, most", "states, features, most"])
def test_a_function_that_cannot_get_its_options_is_a_problem(tmp_path, arguments):
    path = tmp_path / "own.py"
    text = (
        f"from parley.plugins import augmentation\n\n\n@augmentation('own', most=2)\ndef own({arguments}):\n    pass\n"
    )
    path.write_text(text)
    _, [problem] = read_plugins([str(path)], {}, Sources())
    assert "Expected: a function" in problem or "Expected: `def own(features, states, most)`" in problem
    path.write_text(text.replace(arguments, "features, states, *, most"))
    assert read_plugins([str(path)], {}, Sources())[1] == []


@SETTINGS
def test_training_with_parts_of_plugins_resumes_from_a_checkpoint_to_the_bit(tmp_path, settings):
    game, training = settings()
    through, halved = trainer_of([3], game, training), trainer_of([3], game, training)
    expected = train(through, 1, 8)
    train(halved, 1, 4)
    save_checkpoint(tmp_path / "half.pt", halved.checkpoint(0, 4))
    loaded = load_checkpoint(tmp_path / "half.pt")
    assert (loaded.game, loaded.training) == (game, training)
    again = trainer_of([3], game, training)
    assert again.load([loaded]) == 4
    assert torch.equal(torch.stack(train(again, 5, 8)), torch.stack(expected[4:]))
    for one, other in zip(through.agents, again.agents, strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


def test_buffers_of_baselines_change_and_are_kept():
    trainer = trainer_of([3], *all_parts())
    train(trainer, 1, 2)
    assert trainer.checkpoint(0, 2).agents.sender_baseline.state_dict()["mean"] != 0


@SETTINGS
def test_seeds_that_train_together_get_what_each_gets_alone(settings):
    game, training = settings()
    together = torch.stack(train(trainer_of([3, 1], game, training), 1, 5))
    for index, seed in enumerate([3, 1]):
        alone = torch.stack(train(trainer_of([seed], game, training), 1, 5))
        torch.testing.assert_close(together[:, :, index], alone[:, :, 0], atol=1e-4, rtol=1e-4)


def test_parts_get_the_defaults_of_their_decorators_and_the_settings_of_the_run():
    assert make_channel(GameSettings(channel="noisy")).options == {"noise_sd": 2.0}
    game = GameSettings(channel="noisy", plugin_options={"noise_sd": 0.5})
    assert make_channel(game).options == {"noise_sd": 0.5}
    scores, targets = torch.tensor([[[0.3, 0.2, 0.1, 0.0]] * 4]), torch.arange(4)[None]
    for among, expected in ((1, [1, 0, 0, 0]), (3, [1, 1, 1, 0])):
        game = GameSettings(reward="near_miss", plugin_options={"among": among})
        assert reward_of(scores, scores[..., 0], targets, game).tolist() == [expected]


def test_settings_with_options_are_hashable_and_survive_json():
    game, training = all_parts()
    assert hash(game) == hash(GameSettings(channel="noisy", baseline="recent_mean", reward="near_miss", **GAME))
    for settings in (game, training):
        assert type(settings).from_mapping(json.loads(json.dumps(as_mapping(settings)))) == settings
    assert GameSettings.from_mapping({}).sender == "original"


def reward_in(game):
    return reward_of(torch.zeros(1, 1, 2), torch.zeros(1, 1), torch.zeros(1, 1), game)


@pytest.mark.parametrize(
    ("setting", "made"),
    [("channel", make_channel), ("baseline", lambda game: make_agents(game, 4, 4, [1])), ("reward", reward_in)],
)
def test_an_unknown_part_is_an_error_that_names_its_setting(setting, made):
    game = GameSettings(**{setting: "nois"})
    with pytest.raises(ParleyError, match=rf"game\.{setting}: 'nois' is not one of .*, "):
        made(game)


def test_bits_of_a_channel_without_bits_cannot_be_flipped():
    channel("numbers")(Continuous)
    with pytest.raises(ParleyError, match=r"game\.channel: numbers has no bits"):
        make_agents(GameSettings(channel="numbers", flip_sender=0.1), 4, 4, [1])


def test_parts_that_return_the_wrong_shape_are_errors_that_say_what_is_right():
    reward("flat")(lambda scores, log_likelihood, targets: log_likelihood.mean())
    with pytest.raises(ParleyError, match=r"game\.reward: flat returned \(\) numbers; return one .*\(1, 5\)"):
        reward_of(torch.zeros(1, 5, 2), torch.zeros(1, 5), torch.zeros(1, 5), GameSettings(reward="flat"))
    augmentation("short")(lambda features, states: features[..., :1])
    [short] = augmentations(TrainingSettings(augmentations=("short",)))
    with pytest.raises(ParleyError, match=r"training\.augmentations: short returned .*\(1, 2, 1\); .*\(1, 2, 3\)"):
        short.apply(torch.zeros(1, 2, 3), counter_states([1], short.purpose, 1))


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (lambda logits: logits.sigmoid(), r"game\.channel: wrong returned Tensor; return a Message\(value, probs\)"),
        (lambda logits: Message(logits.sum(-1), logits), r"Message whose value is .* \(1, 16\); .* \(1, 16, 6\)"),
        (lambda logits: Message(logits, logits[:, :1]), r"Message whose probs is .* \(1, 1, 6\); .* \(1, 16, 6\)"),
        (lambda logits: Message(logits > 0, logits), r"Message whose value is torch.bool .* torch.float32 of"),
        (lambda logits: Message(logits, None), r"Message whose probs is NoneType"),
    ],
)
def test_channels_that_return_something_else_are_errors_that_say_what_is_right(sent, message):
    def send(channel, logits, noise):
        return sent(logits)

    channel("wrong")(type("Wrong", (Channel,), {"send": send}))
    trainer = trainer_of([3], GameSettings(channel="wrong", **GAME), TrainingSettings(batch_size=16))
    with pytest.raises(ParleyError, match=message):
        train(trainer, 1, 1)


class Random(Continuous):
    """Numbers with noise from PyTorch's generator."""

    def send(self, logits, noise):
        return super().send(logits + torch.rand_like(logits), noise)


def test_random_numbers_of_pytorchs_generator_are_refused():
    channel("random")(Random)
    game = GameSettings(channel="random", **GAME)
    trainer = trainer_of([3], game, TrainingSettings(batch_size=16))
    with pytest.raises(ParleyError, match=r"The plug-in's channel random draws random numbers from PyTorch's gener"):
        train(trainer, 1, 1)


def test_agents_of_ones_own_learn_what_is_easily_learned():
    """Chance is a quarter."""
    game, training = own_agents()
    trainer = trainer_of([3], game, training)
    accuracy = METRICS.index("accuracy@1")
    last = torch.stack(train(trainer, 1, 400)[-20:])[:, accuracy].mean()
    assert last > 0.6


def test_weights_of_agents_of_ones_own_can_be_frozen():
    game, training = own_agents()
    trainer = trainer_of([3, 1], game, dataclasses.replace(training, frozen=("sender",)))
    before = {name: value.clone() for name, value in trainer.agents.sender.state_dict().items()}
    train(trainer, 1, 3)
    assert all(torch.equal(before[name], value) for name, value in trainer.agents.sender.state_dict().items())
