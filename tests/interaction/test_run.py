"""Rollouts over a split and their metrics: known answers, and independence of the batch size."""

import pytest
import torch

from parley.game.agents import make_agents
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Dialogue, Images
from parley.interaction.eval_sets import eval_sets
from parley.interaction.per_example_metrics import MetricAccumulator
from parley.interaction.run import (
    RolloutInputs,
    evaluate_batches,
    nominal_batch,
    ranks,
    rollout_split,
    score,
    summarize_split,
)


def dialogue(scores, active, go_on):
    """Dialogues with given scores ``[T, B, D]``, activity and decisions ``[T, B]``; other fields do not matter."""
    exchanges, batch, _ = scores.shape
    bits = torch.zeros(exchanges, batch, 2)
    probs = torch.full((exchanges, batch), 0.5)
    return Dialogue(bits, bits, torch.tensor(go_on), torch.tensor(active), bits, bits, probs, scores)


def test_the_prediction_at_the_stop_counts():
    # Two images, three exchanges; the first stops after one, the second after three.
    scores = torch.tensor(
        [[[9.0, 0, 0], [9, 0, 0]], [[0, 9, 0], [9, 0, 0]], [[0, 9, 0], [0, 0, 9]]],
    )
    dialogues = dialogue(scores, [[1.0, 1], [0, 1], [0, 1]], [[0.0, 1], [1, 1], [1, 1]])
    result = score(dialogues, torch.tensor([0, 2]), k=2)
    assert result["accuracy@1"] == 1.0
    assert result["length"] == 2.0  # one exchange and three
    # Go-on bits of active exchanges: none in the first dialogue, three in the second.
    assert result["length_original"] == 1.5
    assert result["chance@1"] == pytest.approx(1 / 3)
    assert result["nll"] == pytest.approx(-torch.tensor([9.0, 0, 0]).double().log_softmax(0)[0].item())


def test_constant_scores_are_not_right():
    assert ranks(torch.zeros(2, 5), torch.tensor([0, 3])).tolist() == [5, 5]


def test_ranks_equal_those_of_sorting():
    scores = torch.rand(50, 9, generator=torch.Generator().manual_seed(0))
    target_index = torch.arange(50) % 9
    order = scores.argsort(1, descending=True)
    expected = [order[row].tolist().index(place) + 1 for row, place in enumerate(target_index.tolist())]
    assert ranks(scores, target_index).tolist() == expected


def test_k_is_at_most_the_number_of_candidates():
    dialogues = dialogue(torch.rand(1, 4, 3), [[1.0] * 4], [[0.0] * 4])
    result = score(dialogues, torch.zeros(4, dtype=torch.long), k=10)
    assert result["k"] == 3
    assert result["accuracy@k"] == result["chance@k"] == 1.0


@pytest.mark.parametrize("preset", ["Adaptive", "FixedAttention"])
def test_results_do_not_depend_on_the_batch_size(preset):
    game = GameSettings(preset=preset, message_bits=4, max_exchanges=3)
    draw = torch.Generator().manual_seed(1)
    attention = game.visual_attention
    features = torch.randn(*((13, 4, 7) if attention else (13, 7)), generator=draw)
    images = Images(features, torch.randn(13, 5, generator=draw) if attention else None)
    descriptions = Descriptions(torch.randn(6, 8, generator=draw))
    agents = make_agents(game, 7, 8, seeds=[1], context_size=5)
    target_index = torch.arange(13) % 6
    whole, pieces = (
        rollout_split(RolloutInputs(agents, images, target_index, descriptions, game, size)).of(0) for size in (13, 4)
    )
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, other)


def test_seen_classes_are_always_candidates_and_unseen_ones_are_also_evaluated_alone():
    asked = {one.name: one.candidate_ids for one in eval_sets([0, 1, 2], {"ood": [3, 4], "transfer": []})}
    assert asked == {
        "train": [0, 1, 2],
        "dev": [0, 1, 2],
        "test": [0, 1, 2],
        "ood": [0, 1, 2, 3, 4],
        "ood_alone": [3, 4],
    }


@pytest.mark.parametrize(("images", "batch", "share"), [(5, 4, (4 / 4 + 1 / 4) / 2), (8, 4, 1.0), (3, 50, 3 / 50)])
def test_with_the_originals_count_a_short_last_batch_weighs_too_much(images, batch, share):
    # All are right; the original divides each batch by the size of a full one, and averages over batches.
    scores = torch.tensor([9.0, 0, 0]).expand(1, images, 3)
    dialogues, targets = dialogue(scores, [[1.0] * images], [[0.0] * images]), torch.zeros(images, dtype=torch.long)
    game = GameSettings(accuracy_count="original")
    counted = score(dialogues, targets, 2, nominal_batch(game, batch))
    assert counted["accuracy@1"] == counted["accuracy@k"] == pytest.approx(share)
    assert score(dialogues, targets, 2, nominal_batch(GameSettings(), batch))["accuracy@1"] == 1


@pytest.mark.parametrize("shuffle", ["none", "messages"])
@pytest.mark.parametrize("preset", ["Fixed", "Adaptive"])
def test_metrics_computed_batch_by_batch_are_those_of_the_whole_split(preset, shuffle):
    """To the last bit; and the dialogues returned are those of the given rows."""
    game = GameSettings(preset=preset, message_bits=4, max_exchanges=3, shuffle=shuffle)
    draw = torch.Generator().manual_seed(2)
    images, target_index = Images(torch.randn(13, 7, generator=draw)), torch.arange(13) % 6
    descriptions = Descriptions(torch.randn(6, 8, generator=draw))
    agents = make_agents(game, 7, 8, seeds=[1, 2], context_size=5)
    setup = RolloutInputs(agents, images, target_index, descriptions, game, 4)
    whole = rollout_split(setup)
    for seed, one in enumerate(evaluate_batches(setup, 2, [9, 0, 12])):
        assert one.result == score(whole.of(seed), target_index, 2, nominal_batch(game, 4))
        for shown, field in zip(one.shown, whole.of(seed), strict=True):
            assert torch.equal(shown, field[:, [9, 0, 12]])


def test_per_image_metrics_are_written_to_tensors_allocated_once():
    """Otherwise small results keep the memory of the batches' scores from being freed."""
    count, pointers = MetricAccumulator(6), []
    dialogues = dialogue(torch.tensor([[9.0, 0], [0, 9]]).expand(1, 2, 2), [[1.0, 1]], [[1.0, 1]])
    for rows in ([4, 1], [0, 5], [3, 2]):
        count.add(dialogues, torch.tensor(rows), torch.tensor([0, 0]), 1)
        pointers.append([field.data_ptr() for field in count.buffer.tensors])
    assert pointers[0] == pointers[1] == pointers[2]
    assert all(field.untyped_storage().nbytes() == field.nbytes for field in count.buffer.tensors)
    assert count.buffer.tensors[0].tolist() == [1, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("shuffle", ["none", "messages"])
def test_a_summary_has_the_fields_of_the_dialogues(shuffle):
    game = GameSettings(preset="Adaptive", message_bits=4, max_exchanges=3, shuffle=shuffle)
    draw = torch.Generator().manual_seed(2)
    images, target_index = Images(torch.randn(13, 7, generator=draw)), torch.arange(13) % 6
    descriptions = Descriptions(torch.randn(6, 8, generator=draw))
    agents = make_agents(game, 7, 8, seeds=[1], context_size=5)
    setup = RolloutInputs(agents, images, target_index, descriptions, game, 4)
    whole, summary = rollout_split(setup).of(0), summarize_split(setup)
    assert summary.all_finite
    for name in ("sender_bits", "receiver_bits", "go_on", "active", "final_scores"):
        assert torch.equal(getattr(summary, name), getattr(whole, name)), name
    assert score(summary, target_index, 2) == score(whole, target_index, 2)
    assert summary.final_scores.untyped_storage().nbytes() == 4 * 13 * 6


def test_a_score_before_the_stop_that_is_not_finite_is_known_to_the_summary():
    """Both dialogues stop after the second exchange; a score of the first exchange is infinite."""
    scores = torch.tensor([[[torch.inf, 0], [1, 2]], [[3, 4], [5, 6]]])
    dialogues = dialogue(scores, [[1.0, 1], [1, 1]], [[1.0, 1], [1, 1]])
    assert not dialogues.all_finite
    assert dialogues.final_scores.isfinite().all()
    assert not dialogues.summary.all_finite
    sound = dialogues._replace(scores=scores.nan_to_num(posinf=9))
    assert sound.summary.all_finite
    assert sound.summary.final_scores.tolist() == [[3, 4], [5, 6]]


def test_a_batch_that_is_not_finite_does_not_change_the_others():
    game = GameSettings(preset="Adaptive", message_bits=4, max_exchanges=3)
    images, target_index = Images(torch.randn(6, 7, generator=torch.Generator().manual_seed(2))), torch.zeros(6).long()
    descriptions = Descriptions(torch.randn(5, 8, generator=torch.Generator().manual_seed(3)))
    agents = make_agents(game, 7, 8, seeds=[1], context_size=5)
    sound = summarize_split(RolloutInputs(agents, images, target_index, descriptions, game, 2))
    images.features[3] = torch.nan
    broken = summarize_split(RolloutInputs(agents, images, target_index, descriptions, game, 2))
    assert broken.finite.tolist() == [True, True, False, False, True, True]
    assert not broken.all_finite
    assert torch.equal(broken.final_scores[[0, 1, 4, 5]], sound.final_scores[[0, 1, 4, 5]])


def test_a_seed_with_outputs_that_are_not_finite_has_no_result_and_the_other_has():
    game = GameSettings(preset="Fixed", message_bits=4, max_exchanges=2)
    agents = make_agents(game, 7, 8, seeds=[1, 2], context_size=5)
    agents.receiver.score_last.weight.data[0] = torch.nan
    features = torch.randn(5, 7, generator=torch.Generator().manual_seed(3))
    found = evaluate_batches(
        RolloutInputs(agents, Images(features), torch.arange(5), Descriptions(torch.eye(6, 8)), game, 2), 1
    )
    assert found[0].result is None
    assert found[1].result is not None
    assert found[1].shown.scores.shape == (2, 0, 6)
