"""The mean gradient of REINFORCE equals the exact gradient, computed over all possible dialogues of a tiny game."""

import itertools
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from parley.game.agents import BaselineInput, make_agents
from parley.game.losses import EntropyWeights, compute_losses
from parley.game.rng import uniforms
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images, RandomDraws

DRAWS = 50_000
NO_ENTROPY = EntropyWeights(0.0, 0.0, 0.0)
WORDS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=2)), dtype=torch.float64)
SIZES = {"message_bits": 2, "max_exchanges": 2, "sender_hidden": 3, "receiver_hidden": 3, "baseline_hidden": 4}

DRAWN = {
    "Fixed": (7, 0.5, 2.0),
    "FixedAttention": (80, 0.5, 4.0),
    "Adaptive": (105, 0.5, 4.0),
    "AdaptiveAttention": (39, 0.7, 4.0),
}
"""Seed and scales of weights with which messages affect the reward, and rewards stay close together."""


class TinyGame:
    """A game of two exchanges of two bits, with weights large enough that messages affect the reward."""

    def __init__(self, batch, **options):
        hidden = {"sender_attention_hidden": 2, "receiver_attention_hidden": 2}
        self.settings = GameSettings(**{**SIZES, **hidden, **options})
        seed, score, memory = DRAWN[self.settings.preset]
        draw = torch.Generator().manual_seed(seed)

        def normal(*shape):
            return torch.randn(*shape, generator=draw, dtype=torch.float64)

        attention = self.settings.visual_attention
        self.images = Images(
            normal(batch, 3, 2) if attention else normal(batch, 2), normal(batch, 2) if attention else None
        )
        words = 2 * normal(3, 2, 2)
        self.descriptions = Descriptions(words.mean(1), words, torch.ones(3, 2, dtype=torch.bool))
        self.targets = torch.arange(batch) % 3
        self.agents = make_agents(self.settings, 2, 2, [1], context_size=2).to(torch.float64)
        sizes = {"score": score, "listen": memory, "first": 0.5, "last": 0.08}
        with torch.no_grad():
            for network in self.agents:
                for name, parameter in network.named_parameters():
                    size = sizes.get(name.split(".")[0].split("_")[0], 1.0)
                    parameter.copy_(size * normal(*parameter.shape))
            self.agents.receiver.stop.bias.add_(0.4)

    def gradients(self):
        """Return the gradient of each of many draws, ``[draws, weights]``, by network."""
        many = deepcopy(self.agents)
        for network in many:
            for held in [*network.parameters(), *network.buffers()]:
                held.data = held.repeat(DRAWS, *[1] * (held.dim() - 1))
        batch, game = len(self.targets), self.settings
        drawn = uniforms(range(DRAWS), "bits", 1, (2, batch, 2 * game.message_bits + 1)).double()
        targets = self.targets.expand(DRAWS, -1)
        loss_step = compute_losses(
            many, self.images, self.descriptions, targets, RandomDraws(drawn), game, NO_ENTROPY, compact_finished=False
        )  # fmt: skip
        loss_step.losses.total.backward()
        return {name: flat_gradient(network, DRAWS) for name, network in many._asdict().items()}

    def everything(self) -> dict[str, Tensor]:
        """Return all possible dialogues about each image, ``[B, 64]``: two Sender messages and one Receiver message.

        Log-probabilities carry gradient. Messages are constants, and so are the candidate probabilities that the
        Receiver's message depends on.
        """
        first, question, second = (
            torch.stack([WORDS[number] for number in column])
            for column in zip(*itertools.product(range(4), repeat=3), strict=True)
        )
        batch, paths = len(self.targets), len(first)
        sender, receiver = self.agents.sender, self.agents.receiver
        first, question, second = (word.repeat(batch, 1)[None] for word in (first, question, second))
        rows = torch.arange(batch).repeat_interleave(paths)
        images = self.images.take(rows).of_seeds(1, 4 if self.settings.visual_attention else 3)
        seen, known = sender.eye.add_keys(sender.eye.encode(images)), receiver.encode(self.descriptions)
        targets = self.targets[rows][None, :, None]

        def likelihood(state):
            scores = receiver.score(known, receiver.attend(known, state), state)
            return scores, scores.log_softmax(-1).gather(-1, targets)[..., 0]

        views = [sender.eye.view(seen, None).vector, sender.eye.view(seen, question).vector]
        state = receiver.listen(first, torch.zeros(1, len(rows), 3, dtype=torch.float64)).after
        later = receiver.listen(second, state).after
        scores, early = likelihood(state)
        final_scores, late = likelihood(later)
        asked = receiver.message(known, receiver.attend(known, state), scores.softmax(-1), state).logits
        go_on = receiver.go_on_logits(state)
        expected = self.expected(views, [first, second], question, [state, later], late)
        found = {
            "first": log_of(sender.first_message(views[0]).logits, first),
            "second": log_of(sender.reply(views[1], question).logits, second),
            "question": log_of(asked, question),
            "going": torch.nn.functional.logsigmoid(go_on),
            "stopping": torch.nn.functional.logsigmoid(-go_on),
            "early": early,
            "late": late,
            "early_right": (scores.argmax(-1) == targets[..., 0]).double(),
            "late_right": (final_scores.argmax(-1) == targets[..., 0]).double(),
            **expected,
        }
        return {name: value.view(batch, paths) for name, value in found.items()}

    def expected(self, views, said, question, states, like):
        """Return the prediction of a learned baseline or a running mean in each exchange."""
        agents, found = self.agents, {}
        heard = [torch.full_like(question, self.settings.first_message), question]
        for exchange, name in enumerate(("first", "second")):
            view = views[exchange].detach()
            known = [
                BaselineInput(torch.cat([view, heard[exchange]], -1))
                if self.settings.visual_attention
                else BaselineInput(heard[exchange], view),
                BaselineInput(torch.cat([said[exchange], states[exchange].detach()], -1)),
            ]
            for agent, baseline, one in zip(("sender", "receiver"), agents[2:], known, strict=True):
                found[f"{agent}_{name}"] = (
                    torch.zeros_like(like)
                    if self.settings.baseline == "leave_one_out"
                    else baseline.predict(one, like.detach(), _Flat())
                )
        return found


class _Flat:
    """A packed index in which each turn is a dialogue."""

    def add_per_dialogue_(self, values, of_dialogues):
        values.add_(of_dialogues)

    def sum_per_dialogue(self, values):
        return values


def log_of(logits, bits):
    """log p(message)."""
    return torch.distributions.Bernoulli(logits=logits).log_prob(bits).sum(-1)


def flat_gradient(network, seeds):
    found = [
        (torch.zeros_like(one) if one.grad is None else one.grad).reshape(seeds, -1) for one in network.parameters()
    ]
    return torch.cat(found, 1) if found else torch.zeros(seeds, 0)


def assert_meets(game, losses):
    """Assert that the mean gradient of many draws equals the gradient of the exact losses, by network."""
    sampled = game.gradients()
    for name, loss in losses.items():
        network = getattr(game.agents, name)
        network.zero_grad()
        loss.backward(retain_graph=True)
        exact = flat_gradient(network, 1)[0]
        draws = sampled[name]
        error = draws.std(0) / DRAWS**0.5
        distance = (draws.mean(0) - exact).abs()
        assert error.norm() < 0.2 * exact.norm(), (name, error.norm() / exact.norm())
        assert (distance <= 5 * error + 1e-7).all(), (name, (distance / (error + 1e-12)).max())


REWARDS = ["original", "paper"]


@pytest.mark.slow
@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("baseline", ["none", "leave_one_out", "learned", "running_mean"])
@pytest.mark.parametrize("preset", ["Fixed", "FixedAttention"])
def test_the_mean_gradient_of_a_fixed_game_is_exact(preset, baseline, reward):
    """Let P(m) be the probability of a dialogue m about an image, R(m) its reward, and B the number of images.

    The Sender's loss is a mean over T turns a dialogue, so its gradient is on average that of

        − 1/T · mean over images of Σ_m P(m) R(m),

    by the Sender's share of P. The Receiver's is that of

        mean over images of Σ_m P(m)' · (−log p(target | m)) − 1/(T − 1) · Σ_m P(m) R(m)',

    where ' marks a constant. The Sender does not receive the last of the Receiver's T messages. R is a constant of the
    sampled dialogue: log p(target), or 1 if right. No baseline may change the mean. Rewards are so close together
    that no advantage is divided by the standard deviation.
    """
    game = TinyGame(3, preset=preset, baseline=baseline, reward=reward, description_attention=preset != "Fixed")
    if baseline == "running_mean":
        for one in game.agents[2:]:
            one.mean.fill_(-1.0 if reward == "original" else 0.3)
    said = game.everything()
    earned = (said["late"] if reward == "original" else said["late_right"]).detach()
    for agent in ("sender", "receiver"):
        for exchange in ("first", "second"):
            gain = earned - said[f"{agent}_{exchange}"]
            assert gain.max() - gain.min() < 3**0.5, "three gains could have a standard deviation above 1"
    by_sender = (said["first"] + said["second"]).exp() * said["question"].exp().detach()
    by_receiver = (said["first"] + said["second"]).exp().detach() * said["question"].exp()
    torch.testing.assert_close(by_sender.sum(1), torch.ones(3, dtype=torch.float64))
    assert_meets(
        game,
        {
            "sender": -(by_sender * earned).sum(1).mean() / 2,
            "receiver": -(by_sender.detach() * said["late"] + by_receiver * earned).sum(1).mean(),
        },
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("baseline", "options"),
    [
        ("none", {}),
        ("none", {"reward": "paper", "exchange_cost": 0.1}),
        ("leave_one_out", {}),
        ("learned", {}),
        ("learned", {"preset": "AdaptiveAttention", "mix": "mou"}),
    ],
)
def test_the_mean_gradient_of_an_adaptive_game_is_exact(baseline, options):
    """Sum over all pairs of dialogues about two images, each of one or two exchanges.

    Let i and j be the two dialogues, N the number of their turns and K how many of the two Receiver messages get a
    reply. The mean gradients are those of

        Sender:   − Σ_ij P_i P_j Σ_turns (R − b) / N · log p(message)
        Receiver:   Σ_ij P_i P_j · [ mean of −log p(target) − Σ_answered (R − b) / K · log p(question)
                                     − Σ_first turns (R − b) / N · log p(going on, or stopping) ]
        Baselines:  Σ_ij P_i P_j Σ_turns (R − b)² / N

    with P, R, N and K constants; for the policies b is constant too. P · ∇log p is ∇P, so this is the gradient
    through the probabilities. N and K depend on the messages. A baseline leaves the mean unchanged only where they
    do not, so it is included here turn by turn. The last turn's stop bit decides nothing, and its mean gradient is
    0. The b of leave_one_out is the other dialogue's reward while the other is active, else 0.
    """
    game = TinyGame(2, baseline=baseline, **{"preset": "Adaptive", **options})
    said = game.everything()
    # All outcomes of an image: the 64 dialogues that go on, then the 64 that stop after the first exchange.
    going = torch.tensor([1.0, 0.0], dtype=torch.float64).repeat_interleave(64)

    def both(name):
        return torch.cat([said[name], said[name]], 1)

    decided = torch.cat([said["going"], said["stopping"]], 1)
    final = torch.cat([said["late"], said["early"]], 1)
    right = torch.cat([said["late_right"], said["early_right"]], 1)
    settings = game.settings
    earned = (final if settings.reward == "original" else right).detach() - settings.exchange_cost * (1 + going)
    probability = (both("first") + both("second") + both("question") + decided).exp().detach()
    torch.testing.assert_close(probability.sum(1), torch.ones(2, dtype=torch.float64))

    turns = 2 + going[:, None] + going[None]
    answered = (going[:, None] + going[None]).clamp(min=1)
    losses = dict.fromkeys(game.agents._fields if baseline == "learned" else ("sender", "receiver"), 0.0)
    for image, other in ((0, 1), (1, 0)):
        weight = probability[image][:, None] * probability[other][None]
        on = {"first": torch.ones_like(weight), "second": going[:, None].expand_as(weight)}
        other_on = {"first": torch.ones_like(weight), "second": going[None].expand_as(weight)}
        gains = {}
        for agent, exchange in itertools.product(("sender", "receiver"), ("first", "second")):
            expected = both(f"{agent}_{exchange}")[image][:, None]
            if baseline == "leave_one_out":
                expected = earned[other][None] * other_on[exchange]
            gain = earned[image][:, None] - expected
            gains[agent, exchange] = gain.detach()
            if baseline == "learned":
                losses[f"{agent}_baseline"] = (
                    losses[f"{agent}_baseline"] + (weight * on[exchange] * gain.square() / turns).sum()
                )
        for exchange in ("first", "second"):
            credit = weight * on[exchange] * gains["sender", exchange] / turns
            losses["sender"] = losses["sender"] - (credit * both(exchange)[image][:, None]).sum()
        gain = gains["receiver", "first"]
        losses["receiver"] = (
            losses["receiver"]
            - (weight * final[image][:, None]).sum() / 2
            - (weight * on["second"] * gain / answered * both("question")[image][:, None]).sum()
            - (weight * gain / turns * decided[image][:, None]).sum()
        )
    _assert_never_divided(said, earned, going, baseline)
    assert_meets(game, losses)


def _assert_never_divided(said, earned, going, baseline):
    """Two advantages have standard deviation distance/√2; leave_one_out doubles the distance."""
    for agent, exchange in itertools.product(("sender", "receiver"), ("first", "second")):
        gains = earned - torch.cat([said[f"{agent}_{exchange}"]] * 2, 1)
        if exchange == "second":
            gains = gains[:, going == 1]
        widest = max((gains[0].max() - gains[1].min()).item(), (gains[1].max() - gains[0].min()).item())
        assert widest * (2 if baseline == "leave_one_out" else 1) < 2**0.5, (agent, exchange, widest)
