"""Losses give each dialogue its own credit, and no gradient crosses the channel."""

import math

import pytest
import torch

from parley.game.exchange import exchange, replay
from parley.game.objective import losses
from parley.game.settings import TrainingSettings


def learn(game, training=None, agents=None):
    agents = agents or game.agents
    dialogue = exchange(agents, game.images, game.descriptions, game.settings, game.uniforms)
    replayed = replay(agents, game.images, game.descriptions, dialogue, game.settings)
    found = losses(agents, replayed, dialogue, game.targets, game.settings, training or TrainingSettings())
    return found, dialogue, replayed


def by_hand(game, dialogue, replayed, training):
    """The losses of an adaptive game, dialogue by dialogue and bit by bit, on plain numbers."""
    agents = game.agents
    count = len(game.targets)
    exchanges = dialogue.active.shape[0]
    log_p = [dialogue.final_scores[row].log_softmax(-1)[game.targets[row]].item() for row in range(count)]
    totals = {"sender": [0.0, 0], "receiver": [0.0, 0], "stop": [0.0, 0]}
    squares = {"sender": [], "receiver": []}
    for t in range(exchanges):
        heard_before = dialogue.receiver_bits[t - 1] if t else torch.zeros_like(dialogue.receiver_bits[0])
        on = [row for row in range(count) if dialogue.active[t, row]]
        heard = [row for row in on if t + 1 < exchanges and dialogue.active[t + 1, row]]
        gains = {"sender": {}, "receiver": {}}
        for row in on:
            known = torch.cat([replayed.views[t, row], heard_before[row]])
            gains["sender"][row] = log_p[row] - agents.sender_baseline(known).item()
            known = torch.cat([dialogue.sender_bits[t, row], replayed.states[t + 1, row]])
            gains["receiver"][row] = log_p[row] - agents.receiver_baseline(known).item()
        squares["sender"] += [gain**2 for gain in gains["sender"].values()]
        squares["receiver"] += [gain**2 for gain in gains["receiver"].values()]
        for name, rows, gain, probs, bits, weight in [
            ("sender", on, gains["sender"], dialogue.sender_probs, dialogue.sender_bits, training.sender_entropy),
            (
                "receiver",
                heard,
                gains["receiver"],
                dialogue.receiver_probs,
                dialogue.receiver_bits,
                training.receiver_entropy,
            ),
            (
                "stop",
                on,
                gains["receiver"],
                dialogue.go_on_probs[..., None],
                dialogue.go_on[..., None],
                training.stop_entropy,
            ),
        ]:
            if not rows:
                continue
            values = [gain[row] for row in rows]
            mean = sum(values) / len(values)
            sd = math.sqrt(sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1))
            step = 0.0
            for row in rows:
                pairs = list(zip(probs[t, row].tolist(), bits[t, row].tolist(), strict=True))
                log_said = sum(math.log((p if bit else 1 - p) + 1e-8) for p, bit in pairs)
                entropy = sum(p * math.log(p + 1e-8) + (1 - p) * math.log(1 - p + 1e-8) for p, _ in pairs)
                step += -gain[row] / max(1, sd) * log_said + weight * entropy
            totals[name][0] += step
            totals[name][1] += len(rows)
    share = {name: total / max(number, 1) for name, (total, number) in totals.items()}
    baselines = [sum(values) / len(values) for values in squares.values()]
    return [share["sender"], -sum(log_p) / count + share["receiver"] + share["stop"], *baselines]


@pytest.mark.parametrize("options", [{}, {"mix": "mou"}, {"preset": "AdaptiveAttention"}], ids=str)
def test_losses_equal_a_count_by_hand(small_game, options):
    game, training = small_game(**options), TrainingSettings()
    found, dialogue, replayed = learn(game, training)
    expected = by_hand(game, dialogue, replayed, training)
    assert [loss.item() for loss in found[:4]] == pytest.approx(expected, abs=1e-9)


def test_one_dialogues_reward_gives_no_credit_to_anothers_bits(small_game):
    """If a sum over bits kept its dimension, [B, 1] x [B] would broadcast to [B, B] in silence."""
    game = small_game(preset="Fixed")
    dialogue = exchange(game.agents, game.images, game.descriptions, game.settings, game.uniforms)

    def gradient(reward_of_second):
        replayed = replay(game.agents, game.images, game.descriptions, dialogue, game.settings)
        probs = replayed.sender_probs.detach().requires_grad_()
        scores = replayed.final_scores.detach().clone()
        scores[1, game.targets[1]] = reward_of_second
        found = losses(
            game.agents,
            replayed._replace(sender_probs=probs, final_scores=scores),
            dialogue,
            game.targets,
            game.settings,
            TrainingSettings(),
        )
        (grad,) = torch.autograd.grad(found.sender, probs)
        return grad

    # Both rewards lie close enough that the gains' deviation stays under 1 and scales nothing.
    low, high = gradient(0.1), gradient(0.4)
    others = [row for row in range(len(game.targets)) if row != 1]
    torch.testing.assert_close(low[:, others], high[:, others], rtol=0, atol=1e-12)
    assert not torch.allclose(low[:, 1], high[:, 1], atol=1e-6)


def test_no_gradient_crosses_the_channel_or_leaves_a_baseline(small_game):
    game = small_game()
    for name in ("sender", "receiver", "sender_baseline", "receiver_baseline"):
        found, _, _ = learn(game)
        getattr(found, name).backward()
        for other, network in game.agents._asdict().items():
            touched = any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
            assert touched == (other == name)
            network.zero_grad()


def test_the_papers_reward_is_one_for_right_and_zero_for_wrong(small_game):
    found, dialogue, _ = learn(small_game(reward="paper"))
    expected = (dialogue.final_scores.argmax(-1) == small_game().targets).double()
    assert torch.equal(found.reward, expected)


def test_the_original_reward_is_the_log_probability_of_the_target(small_game):
    game = small_game()
    found, dialogue, _ = learn(game)
    probs = dialogue.final_scores.softmax(-1)
    for row, target in enumerate(game.targets.tolist()):
        assert found.reward[row].item() == pytest.approx(math.log(probs[row, target].item()), abs=1e-12)


def test_the_receivers_baseline_sees_its_state_after_or_before_the_message(small_game):
    after, before = small_game(), small_game(receiver_baseline="paper")
    assert learn(after)[0].receiver_baseline != learn(before)[0].receiver_baseline


def test_a_certain_bit_gives_finite_losses(small_game):
    game = small_game()
    with torch.no_grad():
        game.agents.sender.speak.bias.fill_(1e4)
    found, _, _ = learn(game)
    found.sender.backward()
    assert torch.isfinite(found.sender)
    assert all(torch.isfinite(p.grad).all() for p in game.agents.sender.parameters() if p.grad is not None)
