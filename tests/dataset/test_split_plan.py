import math
from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.dataset import split_plan as splits
from parley.dataset.listing import draw, image_key
from parley.dataset.split_plan import check_topk, fetch_target, needed_images, shares_of

PHOTOS = {"train": 24, "dev": 10, "test": 10}
PAPER = {"train": 550, "dev": 50, "test": 20}

counts = st.dictionaries(st.sampled_from(["train", "dev", "test"]), st.integers(0, 40), min_size=1).filter(
    lambda wanted: sum(wanted.values()) > 0
)
seeds = st.integers(0, 10_000)


def keys_of(number, start=0):
    return [image_key(f"http://example.org/{index}.jpg") for index in range(start, start + number)]


class Row(NamedTuple):
    key: str
    part: str
    rank: int


def plan_class(keys, wanted, seed):
    """The plan of a class, a row a candidate."""
    queues = splits.plan_class(iter(keys), wanted, seed)
    assert list(queues) == list(wanted)
    return [Row(key, part, rank) for part, ranked in queues.items() for rank, key in enumerate(ranked)]


def plainly(keys, wanted, seed):
    """The same, step by step, as the module's docstring says."""
    homes = {part: [] for part in wanted}
    for placed in sorted((draw(seed, "place", key), key) for key in keys):
        homes[home(placed[1], wanted, seed)].append(placed)
    turns = sorted(
        ((turn + 0.5) / count, place, part)
        for place, (part, count) in enumerate(wanted.items())
        for turn in range(count)
    )
    rounds, rest = divmod(len(keys), len(turns))
    shares = Counter({part: rounds * count for part, count in wanted.items()})
    shares.update(part for _, _, part in turns[:rest])
    spare = sorted(placed for part, own in homes.items() for placed in own[shares[part] :])
    rows = []
    for part, own in homes.items():
        lacking = max(shares[part] - len(own), 0)
        taken, spare = spare[:lacking], spare[lacking:]
        rows += [Row(key, part, rank) for rank, (_, key) in enumerate(own[: shares[part]] + taken)]
    return rows


def reserves_of(rows):
    reserves = {}
    for row in rows:
        reserve = reserves.setdefault(row.part, [])
        assert row.rank == len(reserve)
        reserve.append(row.key)
    return reserves


def parts_of(rows):
    return {row.key: row.part for row in rows}


def home(key, wanted, seed):
    """The part a key is drawn into, worked out in exact fractions and apart from the module's way."""
    point = draw(seed, "home", key)
    total, below = sum(wanted.values()), 0
    for part, count in wanted.items():
        below += count
        if point * total < below * 2**64:
            return part
    raise AssertionError


@given(counts, st.integers(0, 300), seeds)
def test_every_candidate_is_in_one_part_and_parts_share_in_proportion(wanted, number, seed):
    keys = keys_of(number)
    rows = plan_class(keys, wanted, seed)
    assert Counter(row.key for row in rows) == Counter(keys)
    reserves = reserves_of(rows)
    total = sum(wanted.values())
    for part, count in wanted.items():
        assert abs(len(reserves.get(part, [])) - number * count / total) < 1.5
        if number >= total:
            assert len(reserves.get(part, [])) >= count


@given(counts, st.integers(0, 300), seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(wanted, number, seed, random):
    keys = keys_of(number)
    shuffled = random.sample(keys, len(keys))
    assert plan_class(shuffled, wanted, seed) == plan_class(keys, wanted, seed)


@given(counts, st.integers(0, 600), seeds)
def test_the_plan_is_the_one_worked_out_step_by_step(wanted, number, seed):
    keys = keys_of(number)
    assert plan_class(keys, wanted, seed) == plainly(keys, wanted, seed)


def test_a_large_class_is_planned_step_by_step_too():
    keys = keys_of(20_000)
    for wanted in (PAPER, {"ood": 7}, {"train": 12_000, "dev": 0, "test": 3}):
        assert plan_class(keys, wanted, 9) == plainly(keys, wanted, 9)


def test_equal_draws_are_ordered_by_key(monkeypatch):
    monkeypatch.setattr(splits, "draw", lambda seed, purpose, key: int(key[0], 16) >> 2)
    keys = keys_of(100)
    planned = splits.plan_class(keys, {"train": 1}, 1)["train"]
    assert planned == sorted(keys, key=lambda key: (int(key[0], 16) >> 2, key))


def test_invalid_keys_are_refused():
    with pytest.raises(ParleyError, match="'lion' is not a valid image key"):
        splits.plan_class(["lion"], PAPER, 1)


def test_forty_four_photographs_fill_24_10_and_10_exactly():
    for start in range(200):
        sizes = {part: len(keys) for part, keys in reserves_of(plan_class(keys_of(44, start), PHOTOS, 1)).items()}
        assert sizes == PHOTOS


@given(counts, st.integers(0, 300), seeds)
def test_home_candidates_come_first_by_key_and_seed_alone(wanted, number, seed):
    keys = keys_of(number)
    reserves = reserves_of(plan_class(keys, wanted, seed))
    homes = {part: [] for part in wanted}
    for key in sorted(keys, key=lambda key: draw(seed, "place", key)):
        homes[home(key, wanted, seed)].append(key)
    for part, count in wanted.items():
        first = min(count, len(homes[part])) if number >= sum(wanted.values()) else 0
        assert reserves.get(part, [])[:first] == homes[part][:first]


@given(counts, st.integers(0, 300), seeds)
def test_no_more_candidates_than_necessary_leave_home(wanted, number, seed):
    rows = plan_class(keys_of(number), wanted, seed)
    at_home = Counter(home(row.key, wanted, seed) for row in rows)
    away = sum(row.part != home(row.key, wanted, seed) for row in rows)
    shares = shares_of(number, wanted)
    assert away == sum(max(shares[part] - at_home[part], 0) for part in wanted)


@given(counts, st.integers(1, 300), seeds, st.integers(0, 299))
def test_removing_a_candidate_moves_few_others_from_the_ends_of_the_queues(wanted, number, seed, which):
    keys = keys_of(number)
    without = [key for index, key in enumerate(keys) if index != which % number]
    before, after = parts_of(plan_class(keys, wanted, seed)), parts_of(plan_class(without, wanted, seed))
    moved = {key for key in without if before[key] != after[key]}
    assert len(moved) <= 2 * (len(wanted) - 1)
    if number > sum(wanted.values()):
        used = {row.key for row in plan_class(keys, wanted, seed) if row.rank < wanted[row.part]}
        at_home = {key for key in used if before[key] == home(key, wanted, seed)}
        assert not moved & at_home


def test_a_thousand_more_candidates_move_no_used_image_to_another_part():
    some, many = keys_of(1000), keys_of(2000)
    used = {row.key: row.part for row in plan_class(some, PAPER, 5) if row.rank < PAPER[row.part]}
    after = {row.key: row.part for row in plan_class(many, PAPER, 5)}
    assert all(after[key] == part for key, part in used.items())


def test_another_seed_is_another_split():
    keys = keys_of(620)
    one, two = parts_of(plan_class(keys, PAPER, 1)), parts_of(plan_class(keys, PAPER, 2))
    same = sum(one[key] == two[key] for key in keys) / len(keys)
    expected = sum((count / 620) ** 2 for count in PAPER.values())
    assert abs(same - expected) < 0.1


@given(counts, st.integers(0, 500))
def test_one_more_candidate_is_one_more_for_one_part(wanted, number):
    before, after = shares_of(number, wanted), shares_of(number + 1, wanted)
    assert sum(before.values()) == number
    assert sorted(after[part] - before[part] for part in wanted) == [0] * (len(wanted) - 1) + [1]


@given(counts, st.integers(0, 5))
def test_whole_rounds_are_shared_exactly(wanted, rounds):
    total = sum(wanted.values())
    assert shares_of(rounds * total, wanted) == {part: rounds * count for part, count in wanted.items()}


@pytest.mark.parametrize(
    ("count", "margin", "target"),
    [(100, 0.07, 107), (10, 0.1, 11), (10, 0.05, 11), (24, 0.0, 24), (3, 0.1, 4), (0, 1, 0)],
)
def test_the_margin_is_rounded_up_and_not_beyond(count, margin, target):
    assert fetch_target(count, margin) == target
    assert target >= count * (1 + margin) - 1e-9
    assert target == math.ceil(round(count * (1 + margin), 6))


def test_counts_that_are_all_zero_are_refused():
    with pytest.raises(ParleyError, match="count 0"):
        plan_class(keys_of(1), {"train": 0}, 1)


def test_images_needed_are_those_of_the_domain():
    wanted = {"in": {"train": 3, "dev": 1, "test": 1}, "out": {"ood": 4}, "transfer": {"transfer": 9}}
    assert (needed_images(wanted, "in"), needed_images(wanted, "out"), needed_images(wanted, "none")) == (5, 4, 0)


def test_k_above_the_number_of_classes_is_reported():
    classes = {"in": 6, "out": 2, "transfer": 3}
    assert check_topk({"k": 6, "k_unseen": 9}, classes) == []
    first, second = check_topk({"k": 7, "k_unseen": 10}, classes)
    assert "evaluation.k is 7" in first
    assert "6 in-domain" in first
    assert "evaluation.k_unseen is 10" in second
    assert "at most 9" in second
