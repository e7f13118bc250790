"""Rollouts follow the rules of the game, and a replay gives the same values."""

import pytest
import torch

from parley.game.channel import ExtraPerturbations
from parley.game.replay import replay_with_grad
from parley.game.rollout import RolloutState, encode, pack_steps, rollout
from parley.game.settings import PRESETS
from parley.game.turns import pick
from parley.game.types import RandomDraws

OPTIONS = [
    *({"preset": preset} for preset in PRESETS),
    *({"mix": mix} for mix in ("prod", "mou")),
    {"description_attention": True},
    {"preset": "FixedAttention", "description_attention": True, "mix": "mou"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("compact_finished", [False, True])
def test_replay_equals_the_rollout(small_game, options, compact_finished):
    game = small_game(**options)
    dialogue = game.dialogue()
    sender, receiver = game.agents.sender, game.agents.receiver
    encoded, candidates = encode(sender, receiver, game.images, game.descriptions)
    with torch.no_grad():
        state = RolloutState(sender, receiver, encoded, candidates, game.draws(), training=True)
        steps = list(state.steps(compact_finished))
    packed = pack_steps(steps)
    again = replay_with_grad(sender, receiver, encoded, candidates, steps, packed)
    exchanges = packed.one_hot_exchanges(packed.mask).argmax(1)

    def at_turns(values, positions):
        """Return the values of the full dialogue at the given turns."""
        return values[exchanges[positions[0]], packed.rows[0, positions[0]]]

    every = torch.arange(packed.rows.shape[1])[None]
    for found, expected, positions in [
        (again.sender_logits.sigmoid(), dialogue.sender_probs, every),
        (again.receiver_logits.sigmoid(), dialogue.receiver_probs, packed.previous),
        (again.go_on_logits.sigmoid(), dialogue.go_on_probs, every),
        (again.final_scores, dialogue.scores, packed.last),
    ]:
        torch.testing.assert_close(found[0], at_turns(expected, positions), rtol=0, atol=1e-12)
    assert torch.equal(
        pick(packed.mask[..., None], packed.last), torch.ones(1, len(game.targets), 1, dtype=torch.float64)
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_each_image_has_the_same_dialogue_as_alone(small_game, options):
    game = small_game(**options)
    together = game.dialogue()
    for row in range(len(game.targets)):
        own = game.uniforms[None, :, row : row + 1]
        alone = game.dialogue(images=game.images.take(torch.tensor([row])), draws=RandomDraws(own))
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[:, row], b[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_each_seed_has_the_same_dialogues_as_alone(small_game, options):
    many = small_game(**options, seeds=(4, 1, 7))
    alone = small_game(**options, seeds=(1,))
    sender, receiver = many.agents.sender, many.agents.receiver
    together = rollout(sender, receiver, many.images, many.descriptions, many.draws()).of(1)
    for a, b in zip(together, alone.dialogue(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_compacting_finished_dialogues_keeps_the_losses(small_game):
    game = small_game(max_exchanges=12)
    game.uniforms[..., -1] = 0.52  # some dialogues go on, for a few exchanges
    loss_step, full = game.learn(compact_finished=True), game.learn(compact_finished=False)
    assert sum(loss_step.packed.sizes) < sum(full.packed.sizes)
    for one, other in zip(loss_step.losses, full.losses, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_sampled_bit_is_1_where_the_noise_is_below_its_probability(small_game):
    game = small_game()
    dialogue = game.dialogue()
    bits = game.settings.message_bits
    assert torch.equal(dialogue.sender_bits, (game.uniforms[..., :bits] < dialogue.sender_probs).double())
    assert torch.equal(dialogue.receiver_bits, (game.uniforms[..., bits : 2 * bits] < dialogue.receiver_probs).double())
    assert torch.equal(dialogue.go_on, (game.uniforms[..., -1] < dialogue.go_on_probs).double())


def test_a_stopped_dialogue_stays_stopped_and_the_last_exchange_ends_all(small_game):
    dialogue = small_game(max_exchanges=6).dialogue(sampled=False)
    assert torch.all(dialogue.active[1:] <= dialogue.active[:-1])
    assert torch.equal(dialogue.active[1:], dialogue.active[:-1] * dialogue.go_on[:-1])
    assert torch.all(dialogue.last <= 5)


def test_evaluation_stops_once_the_running_product_rounds_to_zero(small_game):
    game = small_game(max_exchanges=6)
    dialogue = game.dialogue(sampled=False)
    for row in range(len(game.targets)):
        product, length = 1.0, 0
        for probability in dialogue.go_on_probs[:, row].tolist():
            length += 1
            product *= probability
            if round(product) == 0:
                break
        assert dialogue.active[:, row].sum() == length


def test_a_fixed_game_uses_all_exchanges(small_game):
    dialogue = small_game(preset="Fixed").dialogue(sampled=False)
    assert torch.all(dialogue.active == 1)
    assert dialogue.last.unique().tolist() == [3]


def test_attention_is_uniform_in_the_first_exchange(small_game):
    game = small_game(preset="AdaptiveAttention")
    sender = game.agents.sender
    encoded, _ = encode(sender, game.agents.receiver, game.images, game.descriptions)
    view = sender.eye.view(encoded, None)
    torch.testing.assert_close(view.vector[0], sender.eye.project(game.images.features[None].mean(2))[0])
    torch.testing.assert_close(view.weights, torch.full((1, 6, 4), 0.25, dtype=torch.float64))


def test_padding_of_a_short_description_gets_no_attention(small_game):
    game = small_game(description_attention=True)
    plain = game.dialogue(sampled=False)
    is_word = game.descriptions.is_word[..., None]
    game.descriptions = game.descriptions._replace(words=torch.where(is_word, game.descriptions.words, 1e3))
    torch.testing.assert_close(plain.scores, game.dialogue(sampled=False).scores)


def test_extra_perturbations_exclude_compaction(small_game):
    game = small_game()
    sender, receiver = game.agents.sender, game.agents.receiver
    encoded, candidates = encode(sender, receiver, game.images, game.descriptions)
    state = RolloutState(sender, receiver, encoded, candidates, None, False, ExtraPerturbations([[]], [[]]))
    with pytest.raises(ValueError, match="compact_finished must be False"):
        next(state.steps(compact_finished=True))
