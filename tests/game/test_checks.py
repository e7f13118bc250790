"""Checks of a training step: no error for valid steps, and one message per violated invariant."""

from dataclasses import replace

import pytest
import torch
from easy_runs import run

from parley.core.errors import ParleyError
from parley.game.channel import CHANNELS
from parley.game.settings import PRESETS, GameSettings
from parley.training.sanity_checks import check_step

GAMES = [{"preset": preset} for preset in PRESETS if "Attention" not in preset]
GAMES += [{"channel": channel} for channel in CHANNELS]
GAMES += [{"flip_sender": 0.2, "flip_receiver": 0.2}, {"ignore_sender": True}, {"baseline": "running_mean"}]


@pytest.mark.parametrize("options", GAMES, ids=str)
def test_valid_steps_pass(tmp_path, options):
    game = GameSettings(message_bits=6, max_exchanges=3, **options)
    assert len(run(tmp_path, game=game, checks=True)) > 0


def findings_of(loss_step, game, agents):
    with pytest.raises(ParleyError) as raised:
        check_step(loss_step, agents, game, [5, 6], 12)
    return raised.value.findings


@pytest.fixture
def step(small_game):
    game = small_game(preset="Adaptive", seeds=(5, 6), max_exchanges=4)
    loss_step = game.learn()
    check_step(loss_step, game.agents, game.settings, [5, 6], 12)
    return loss_step, game.settings, game.agents


def broken(loss_step, index, value, **fields):
    """Return the step with one value of the second seed changed."""
    (name,) = fields
    values = getattr(loss_step.replay, name).detach().clone()
    values[1].view(-1)[index] = value
    return loss_step._replace(replay=loss_step.replay._replace(**{name: values}))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sender_messages", "messages of the Sender have values other than 0 and 1"),
        ("receiver_messages", "messages of the Receiver have values other than 0 and 1"),
        ("go_on", "decisions to go on have values other than 0 and 1"),
    ],
)
def test_a_value_that_is_not_a_bit_is_reported(step, name, sentence):
    loss_step, game, agents = step
    assert f"training.checks: at step 12, {sentence} (seed 6)." in findings_of(
        broken(loss_step, 0, 0.5, **{name: 0}), game, agents
    )


def test_scores_losses_and_weights_that_are_not_finite_are_reported(step):
    loss_step, game, agents = step
    assert (
        "scores at the last exchange of a dialogue are not finite (seed 6)"
        in findings_of(broken(loss_step, 3, torch.inf, final_scores=0), game, agents)[0]
    )
    loss = loss_step.losses.sender_baseline.detach().clone()
    loss[0] = torch.nan
    assert (
        "the loss of the network sender_baseline is not finite (seed 5)"
        in findings_of(loss_step._replace(losses=loss_step.losses._replace(sender_baseline=loss)), game, agents)[0]
    )
    agents.receiver.stop.weight.data[1, 0, 2] = torch.nan
    assert findings_of(loss_step, game, agents) == [
        "training.checks: at step 12, the weights receiver.stop.weight are not finite (seed 6)."
    ]


def test_a_dialogue_that_continues_after_its_stop_is_reported(step):
    loss_step, game, agents = step
    never = loss_step._replace(replay=loss_step.replay._replace(go_on=torch.zeros_like(loss_step.replay.go_on)))
    assert loss_step.packed.mask.sum() > 2 * loss_step.packed.batch  # some dialogues go on
    assert "a dialogue went on after the decision to stop (seed 5, 6)" in findings_of(never, game, agents)[0]


def test_an_impossible_length_is_reported(step):
    loss_step, game, agents = step
    mask = loss_step.packed.mask.clone()
    mask[0, loss_step.packed.last[0, 0]] = 0
    mask[0][loss_step.packed.rows[0] == 0] = 0
    empty = loss_step._replace(packed=loss_step.packed._replace(mask=mask))
    assert "a dialogue has fewer than 1 or more than 4 exchanges (seed 5)" in findings_of(empty, game, agents)[0]
    fixed = replace(game, preset="Fixed")
    assert any("a dialogue ended before 4 exchanges" in finding for finding in findings_of(loss_step, fixed, agents))
