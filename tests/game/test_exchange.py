"""Conversations follow the rules of the game, and a replay is the same conversation."""

import pytest
import torch

from parley.game.exchange import exchange, replay
from parley.game.settings import PRESETS

OPTIONS = [
    *({"preset": preset} for preset in PRESETS),
    *({"mix": mix} for mix in ("prod", "mou")),
    {"description_attention": True},
    {"preset": "FixedAttention", "description_attention": True, "mix": "mou"},
]


def talk(game, uniforms=None, **how):
    return exchange(game.agents, game.images, game.descriptions, game.settings, uniforms, **how)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_replay_goes_through_the_same_conversation(small_game, options):
    game = small_game(**options)
    dialogue = talk(game, game.uniforms)
    again = replay(game.agents, game.images, game.descriptions, dialogue, game.settings)
    for name in ("sender_probs", "receiver_probs", "go_on_probs", "final_scores"):
        torch.testing.assert_close(getattr(again, name), getattr(dialogue, name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_each_image_talks_as_it_would_alone(small_game, options):
    game = small_game(**options)
    together = talk(game, game.uniforms)
    for row in range(len(game.targets)):
        one = torch.tensor([row])
        alone = exchange(
            game.agents, game.images.take(one), game.descriptions, game.settings, game.uniforms[:, row : row + 1]
        )
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[:, row], b[:, 0], rtol=0, atol=1e-12)


def test_a_sampled_bit_is_one_where_its_number_is_below_its_probability(small_game):
    game = small_game()
    said = talk(game, game.uniforms)
    bits = game.settings.message_bits
    assert torch.equal(said.sender_bits, (game.uniforms[..., :bits] < said.sender_probs).double())
    assert torch.equal(said.receiver_bits, (game.uniforms[..., bits : 2 * bits] < said.receiver_probs).double())
    assert torch.equal(said.go_on, (game.uniforms[..., -1] < said.go_on_probs).double())


def test_a_dialogue_once_stopped_stays_stopped_and_the_last_exchange_ends_all(small_game):
    said = talk(small_game(max_exchanges=6), None)
    assert torch.all(said.active[1:] <= said.active[:-1])
    assert torch.equal(said.active[1:], said.active[:-1] * said.go_on[:-1])
    assert torch.all(said.last <= 5)


def test_evaluation_stops_once_the_running_product_rounds_to_zero(small_game):
    game = small_game(max_exchanges=6)
    said = talk(game)
    for row in range(len(game.targets)):
        product, length = 1.0, 0
        for probability in said.go_on_probs[:, row].tolist():
            length += 1
            product *= probability
            if round(product) == 0:
                break
        assert said.active[:, row].sum() == length


def test_a_fixed_game_makes_all_exchanges(small_game):
    said = talk(small_game(preset="Fixed"), None)
    assert torch.all(said.active == 1)
    assert said.last.unique().tolist() == [3]


def test_ending_early_changes_nothing_that_was_said_before(small_game):
    game = small_game(max_exchanges=12)
    game.uniforms[..., -1] = 0.9  # few want to go on
    whole, cut = talk(game, game.uniforms), talk(game, game.uniforms, until_all_stop=True)
    assert cut.active.shape[0] < whole.active.shape[0]
    assert torch.equal(cut.last, whole.last)
    assert torch.equal(cut.final_scores, whole.final_scores)


def test_at_the_opening_attention_is_even_over_the_cells(small_game):
    game = small_game(preset="AdaptiveAttention")
    sender = game.agents.sender
    seen = sender.eye.prepare(game.images)
    view = sender.eye.look(seen, sender.opening(len(game.targets))[None], opening=True)[0]
    torch.testing.assert_close(view, sender.eye.project(game.images.features.mean(1)))


def test_padding_of_a_short_description_gets_no_attention(small_game):
    game = small_game(description_attention=True)
    noisy = game.descriptions._replace(
        words=torch.where(game.descriptions.is_word[..., None], game.descriptions.words, 1e3)
    )
    plain = talk(game)
    padded = exchange(game.agents, game.images, noisy, game.settings)
    torch.testing.assert_close(plain.scores, padded.scores)
