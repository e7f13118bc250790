"""The packed index of turns, against plain loops."""

import random

import torch
from hypothesis import given
from hypothesis import strategies as st

from parley.game.rollout import RolloutState, encode, pack_steps
from parley.game.turns import active_indices, pick

lengths = st.lists(st.integers(1, 5), min_size=1, max_size=7)


@given(st.integers(1, 3), st.integers(1, 6), st.integers(0, 6), st.randoms(use_true_random=False))
def test_rows_are_picked_seed_by_seed(seeds, batch, count, chance):
    values = torch.arange(seeds * batch * 2).view(seeds, batch, 2)
    drawn = [[chance.randrange(batch) for _ in range(count)] for _ in range(seeds)]
    rows = torch.tensor(drawn, dtype=torch.int64).view(seeds, count)
    expected = [[values[seed, row].tolist() for row in rows[seed].tolist()] for seed in range(seeds)]
    assert pick(values, rows).tolist() == expected


@given(st.lists(st.lists(st.booleans(), min_size=8, max_size=8), min_size=1, max_size=3))
def test_active_dialogues_are_kept_in_order(active):
    indices = active_indices(torch.tensor(active, dtype=torch.float32))
    most = max(map(sum, active))
    if indices is None:
        assert most > 6
        return
    assert indices.shape == (len(active), most)
    for own, on in zip(indices.tolist(), active, strict=True):
        assert own == sorted(own)
        assert {position for position, still in enumerate(on) if still} <= set(own)


class Played:
    """A rollout whose lengths are decided by the random numbers."""

    def __init__(self, small_game, seeds=(1, 2)):
        self.game = game = small_game(preset="Adaptive", seeds=seeds, batch=9, max_exchanges=5)
        encoded, candidates = encode(game.agents.sender, game.agents.receiver, game.images, game.descriptions)
        # Different numbers per seed, so that the seeds' dialogues have different lengths.
        draws = game.draws()
        own = torch.rand(draws.decisions.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        draws = draws._replace(decisions=own)
        with torch.no_grad():
            state = RolloutState(game.agents.sender, game.agents.receiver, encoded, candidates, draws, training=True)
            self.steps = list(state.steps(compact_finished=True))
        self.packed = pack_steps(self.steps)
        self.seeds = len(seeds)


def test_previous_and_last_link_the_turns_of_each_dialogue(small_game):
    played = Played(small_game)
    packed = played.packed
    assert len(set(packed.sizes)) > 1  # some were dropped
    starts = [sum(packed.sizes[:t]) for t in range(len(packed.sizes))]
    exchange_of = [t for t, size in enumerate(packed.sizes) for _ in range(size)]
    for seed in range(played.seeds):
        rows, mask = packed.rows[seed].tolist(), packed.mask[seed].tolist()
        # Position of a dialogue's turn in an exchange, found by search.
        at = {(exchange_of[position], row): position for position, row in enumerate(rows)}
        for position in range(packed.batch, len(rows)):
            assert packed.previous[seed, position - packed.batch] == at[exchange_of[position] - 1, rows[position]]
        for row in range(packed.batch):
            on = [t for t in range(len(starts)) if (t, row) in at and mask[at[t, row]]]
            assert on == list(range(len(on)))
            assert packed.last[seed, row] == at[on[-1], row]


def test_by_turn_undoes_by_dialogue(small_game):
    packed = Played(small_game).packed
    count = packed.rows.shape[1]
    values = torch.rand(2, count, 3)
    grid = packed.by_dialogue(values)
    assert torch.equal(packed.by_turn(grid), values)
    for seed in range(2):
        for position in range(count):
            row = packed.rows[seed, position]
            exchange = next(t for t in range(len(packed.sizes)) if position < sum(packed.sizes[: t + 1]))
            assert torch.equal(grid[seed, row, exchange], values[seed, position])
    assert (grid != 0).sum() == (values != 0).sum()


def test_after_the_first_exchange_rows_are_positions_among_the_dialogues_of_the_second(small_game):
    packed = Played(small_game).packed
    later = packed.after_first()
    assert later.sizes == packed.sizes[1:]
    for seed in range(2):
        second = packed.rows[seed, packed.batch :][: packed.sizes[1]].tolist()
        assert [second[row] for row in later.rows[seed].tolist()] == packed.rows[seed, packed.batch :].tolist()
        for position, before in enumerate(later.previous[seed].tolist()):
            own = packed.batch + packed.sizes[1] + position
            assert before == packed.previous[seed, own - packed.batch] - packed.batch
        for row, position in zip(second, later.last[seed].tolist(), strict=True):
            assert position == max(packed.last[seed, row].item() - packed.batch, 0)
    assert torch.equal(later.mask, packed.mask[:, packed.batch :])


def test_values_of_dialogues_are_repeated_per_turn(small_game):
    packed = Played(small_game).packed
    of_dialogues, values = torch.rand(2, packed.batch, 3), torch.rand(2, packed.rows.shape[1], 3)
    expected = torch.stack([of_dialogues[seed][packed.rows[seed]] for seed in range(2)])
    assert torch.equal(packed.repeat_per_turn(of_dialogues), expected)
    total = values.clone()
    packed.add_per_dialogue_(total, of_dialogues)
    torch.testing.assert_close(total, values + expected)
    for seed, own in enumerate(packed.sum_per_dialogue(values)):
        for row, found in enumerate(own):
            torch.testing.assert_close(found, values[seed][packed.rows[seed] == row].sum(0))
    sums = packed.mask @ packed.one_hot_exchanges(packed.mask)
    assert sums.sum(1).tolist() == packed.mask.sum(1).tolist()
    assert sums[:, 0].tolist() == [packed.batch] * 2


def test_a_full_index_gives_the_same_results_as_the_general_case(small_game):
    packed = Played(small_game, seeds=(1,)).packed
    chance = random.Random(1)
    size, steps = packed.batch, 4
    rows = torch.arange(size).repeat(steps)[None]
    full = packed._replace(sizes=[size] * steps, rows=rows, mask=torch.ones(1, size * steps), full=True)
    gaps = full._replace(full=False)
    values = torch.tensor([[chance.random() for _ in range(size)]])[..., None]
    assert torch.equal(full.repeat_per_turn(values), gaps.repeat_per_turn(values))
    assert torch.equal(full.one_hot_exchanges(full.mask), gaps.one_hot_exchanges(gaps.mask))
    turns = torch.rand(1, size * steps, 1)
    torch.testing.assert_close(full.sum_per_dialogue(turns), gaps.sum_per_dialogue(turns))
    totals = [turns.clone(), turns.clone()]
    for packed, total in zip((full, gaps), totals, strict=True):
        packed.add_per_dialogue_(total, values)
    torch.testing.assert_close(*totals)
