"""Losses: per-dialogue credit, gradients across the channel, rewards and baselines."""

import math

import pytest
import torch

from parley.game.agents import BaselineInput
from parley.game.losses import EntropyWeights, losses

ENTROPIES = EntropyWeights(0.01, 0.01, 0.08)


def expected_by(baseline, known):
    """Return a learned baseline's prediction for one turn, from the concatenated input."""
    hidden = torch.relu(baseline.first.weight[0] @ known + baseline.first.bias[0])
    return (baseline.last.weight[0] @ hidden + baseline.last.bias[0]).item()


def by_hand(game, dialogue, replay, packed, training):
    """Compute the losses of an adaptive game dialogue by dialogue and bit by bit, on Python numbers."""
    agents = game.agents
    where = {}
    exchange_of = packed.one_hot_exchanges(packed.mask).argmax(1)
    for position in range(packed.rows.shape[1]):
        where[exchange_of[position].item(), packed.rows[0, position].item()] = position
    count = len(game.targets)
    exchanges = dialogue.active.shape[0]
    log_p = [dialogue.final_scores[row].log_softmax(-1)[game.targets[row]].item() for row in range(count)]
    totals = {"sender": [0.0, 0], "receiver": [0.0, 0], "stop": [0.0, 0]}
    squares = {"sender": [], "receiver": []}
    for t in range(exchanges):
        received = dialogue.receiver_bits[t - 1] if t else torch.zeros_like(dialogue.receiver_bits[0])
        on = [row for row in range(count) if dialogue.active[t, row]]
        heard = [row for row in on if t + 1 < exchanges and dialogue.active[t + 1, row]]
        advantages = {"sender": {}, "receiver": {}}
        for row in on:
            view = replay.views[0, row if agents.sender.eye.is_static else where[t, row]]
            known = torch.cat([view, received[row]])
            advantages["sender"][row] = log_p[row] - expected_by(agents.sender_baseline, known)
            known = torch.cat([dialogue.sender_bits[t, row], replay.states[0, where[t, row]]])
            advantages["receiver"][row] = log_p[row] - expected_by(agents.receiver_baseline, known)
        squares["sender"] += [advantage**2 for advantage in advantages["sender"].values()]
        squares["receiver"] += [advantage**2 for advantage in advantages["receiver"].values()]
        for name, rows, advantage, probs, bits, weight in [
            ("sender", on, advantages["sender"], dialogue.sender_probs, dialogue.sender_bits, training.sender),
            (
                "receiver",
                heard,
                advantages["receiver"],
                dialogue.receiver_probs,
                dialogue.receiver_bits,
                training.receiver,
            ),
            (
                "stop",
                on,
                advantages["receiver"],
                dialogue.go_on_probs[..., None],
                dialogue.go_on[..., None],
                training.stop,
            ),
        ]:
            if not rows:
                continue
            values = [advantage[row] for row in rows]
            mean = sum(values) / len(values)
            sd = math.sqrt(sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1))
            step = 0.0
            for row in rows:
                pairs = list(zip(probs[t, row].tolist(), bits[t, row].tolist(), strict=True))
                log_said = sum(math.log((p if bit else 1 - p) + 1e-8) for p, bit in pairs)
                entropy = sum(p * math.log(p + 1e-8) + (1 - p) * math.log(1 - p + 1e-8) for p, _ in pairs)
                step += -advantage[row] / max(1, sd) * log_said + weight * entropy
            totals[name][0] += step
            totals[name][1] += len(rows)
    share = {name: total / max(number, 1) for name, (total, number) in totals.items()}
    baselines = [sum(values) / len(values) for values in squares.values()]
    return [share["sender"], -sum(log_p) / count + share["receiver"] + share["stop"], *baselines]


@pytest.mark.parametrize("options", [{}, {"mix": "mou"}, {"preset": "AdaptiveAttention"}], ids=str)
def test_losses_equal_a_computation_with_loops(small_game, options):
    game = small_game(**options)
    loss_step = game.learn(ENTROPIES)
    expected = by_hand(game, game.dialogue(), loss_step.replay, loss_step.packed, ENTROPIES)
    assert [loss.item() for loss in loss_step.losses[:4]] == pytest.approx(expected, abs=1e-9)


def test_a_reward_gives_no_credit_to_bits_of_other_dialogues(small_game):
    """If the sum over bits kept its dimension, [B, 1] x [B] would broadcast to [B, B] without an error."""
    game = small_game(preset="Fixed")
    loss_step = game.learn()

    def gradient(reward_of_second):
        logits = loss_step.replay.sender_logits.detach().requires_grad_()
        scores = loss_step.replay.final_scores.detach().clone()
        scores[0, 1, game.targets[1]] = reward_of_second
        changed = loss_step.replay._replace(sender_logits=logits, final_scores=scores)
        found = losses(game.agents, changed, loss_step.packed, game.targets[None], game.settings, ENTROPIES)
        (grad,) = torch.autograd.grad(found.sender.sum(), logits)
        return grad.unflatten(1, (4, -1))

    # The two rewards are so close that the advantages' deviation stays below 1 and nothing is scaled.
    low, high = gradient(0.1), gradient(0.4)
    others = [row for row in range(len(game.targets)) if row != 1]
    torch.testing.assert_close(low[:, :, others], high[:, :, others], rtol=0, atol=1e-12)
    assert not torch.allclose(low[:, :, 1], high[:, :, 1], atol=1e-6)


def touched(game, loss):
    """Return the names of the networks for which a loss has a gradient."""
    loss.sum().backward()
    found = set()
    for name, network in game.agents._asdict().items():
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters()):
            found.add(name)
        network.zero_grad()
    return found


def test_no_gradient_crosses_the_channel_or_leaves_a_baseline(small_game):
    game = small_game()
    for name in ("sender", "receiver", "sender_baseline", "receiver_baseline"):
        assert touched(game, getattr(game.learn().losses, name)) == {name}


@pytest.mark.parametrize("channel", ["straight_through", "gumbel", "continuous"])
def test_gradient_crosses_a_differentiable_channel(small_game, channel):
    game = small_game(channel=channel)
    assert touched(game, game.learn().losses.receiver) == {"sender", "receiver"}


def test_continuous_original_trains_the_receiver_alone(small_game):
    game = small_game(channel="continuous_original")
    assert touched(game, game.learn().losses.total) == {"receiver"}
    game.learn().losses.total.backward()
    assert game.agents.receiver.stop.weight.grad is None


def test_the_paper_reward_is_1_if_right_else_0(small_game):
    game = small_game(reward="paper")
    expected = (game.dialogue().final_scores.argmax(-1) == game.targets).double()
    assert torch.equal(game.learn().losses.reward[0], expected)


def test_the_original_reward_is_the_log_probability_of_the_target(small_game):
    game = small_game()
    reward = game.learn().losses.reward[0]
    probs = game.dialogue().final_scores.softmax(-1)
    for row, target in enumerate(game.targets.tolist()):
        assert reward[row].item() == pytest.approx(math.log(probs[row, target].item()), abs=1e-12)


def test_exchange_cost_is_subtracted_per_exchange(small_game):
    free, dear = small_game(), small_game(exchange_cost=0.25)
    length = free.dialogue().active.sum(0)
    assert length.unique().numel() > 1
    torch.testing.assert_close(free.learn().losses.reward[0] - dear.learn().losses.reward[0], 0.25 * length)


def test_the_receivers_baseline_gets_the_state_after_or_before_the_message(small_game):
    after, before = small_game(), small_game(receiver_baseline="paper")
    assert after.learn().losses.receiver_baseline != before.learn().losses.receiver_baseline


def test_a_bit_of_probability_1_gives_finite_losses(small_game):
    game = small_game()
    with torch.no_grad():
        game.agents.sender.speak.bias.fill_(1e4)
    found = game.learn().losses
    found.sender.sum().backward()
    assert torch.isfinite(found.sender).all()
    assert all(torch.isfinite(p.grad).all() for p in game.agents.sender.parameters() if p.grad is not None)


def test_leave_one_out_predicts_the_mean_of_the_other_active_dialogues(small_game):
    game = small_game(baseline="leave_one_out")
    loss_step, said = game.learn(), game.dialogue()
    packed, reward = loss_step.packed, loss_step.losses.reward
    found = game.agents.sender_baseline.predict(BaselineInput(reward), packed.repeat_per_turn(reward), packed)[0]
    exchange_of = packed.one_hot_exchanges(packed.mask).argmax(1).tolist()
    checked = 0
    for position, (t, row) in enumerate(zip(exchange_of, packed.rows[0].tolist(), strict=True)):
        others = [reward[0, other].item() for other in range(6) if other != row and said.active[t, other]]
        if packed.mask[0, position] and others:
            assert found[position].item() == pytest.approx(sum(others) / len(others), abs=1e-12)
            checked += 1
    assert checked > 6


def test_the_running_mean_covers_all_earlier_turns(small_game):
    game = small_game(baseline="running_mean", seeds=(1, 2))
    baseline = game.agents.receiver_baseline
    earned, turns = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for _ in range(3):
        torch.testing.assert_close(baseline.mean, earned / turns.clamp(min=1), rtol=0, atol=1e-12)
        loss_step = game.learn()
        length = loss_step.packed.mask.new_zeros(2, 6).scatter_add_(1, loss_step.packed.rows, loss_step.packed.mask)
        earned += (loss_step.losses.reward * length).sum(1)
        turns += length.sum(1)
        game.uniforms = game.uniforms.roll(1, 1)
    assert set(baseline.state_dict()) == {"mean", "count"}


def test_the_running_mean_excludes_the_current_batch(small_game):
    game = small_game(baseline="running_mean")
    first = game.learn()
    baseline = game.agents.sender_baseline
    known, packed = BaselineInput(first.losses.reward), first.packed
    before = baseline.mean.clone()
    expected = baseline.predict(known, packed.repeat_per_turn(first.losses.reward), packed)
    baseline.update(packed.repeat_per_turn(first.losses.reward) + 5, packed)
    assert torch.equal(expected, before[:, None].expand_as(expected))
    assert not torch.equal(baseline.mean, before)


def test_label_smoothing_spreads_the_target_over_all_classes(small_game):
    plain, smoothed = small_game(), small_game(label_smoothing=0.3)
    found, other = plain.learn(), smoothed.learn()
    log_p = found.replay.final_scores[0].log_softmax(-1)
    mean = 0.0
    for row, target in enumerate(plain.targets.tolist()):
        # Szegedy et al. (2016): weight 0.7 on the target and 0.3 spread evenly over all candidates.
        mean -= (0.7 * log_p[row, target] + 0.3 * sum(log_p[row]) / len(log_p[row])) / len(plain.targets)
    nll = -sum(log_p[row, target] for row, target in enumerate(plain.targets.tolist())) / len(plain.targets)
    torch.testing.assert_close(other.losses.receiver[0] - found.losses.receiver[0], mean - nll)
    # Only the Receiver's loss is smoothed: neither the reward nor the Sender's loss is.
    assert torch.equal(other.losses.reward, found.losses.reward)
    assert torch.equal(other.losses.sender, found.losses.sender)
