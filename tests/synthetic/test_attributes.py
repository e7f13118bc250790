"""The creatures: what the choice of combinations promises, and their descriptions."""

import re
from collections import Counter
from itertools import combinations

import pytest

from parley.synthetic.attributes import ATTRIBUTES, CREATURES, Creature

SEEN = [creature for creature in CREATURES if creature.domain == "in"]
UNSEEN = [creature for creature in CREATURES if creature.domain == "out"]


def differences(one: Creature, other: Creature) -> int:
    return sum(a != b for a, b in zip(one.combination, other.combination, strict=True))


def test_there_are_twenty_four_seen_creatures_and_then_six_unseen() -> None:
    assert [creature.domain for creature in CREATURES] == ["in"] * 24 + ["out"] * 6


def test_names_and_ids_are_unique_and_usable_as_folders() -> None:
    assert len({creature.name for creature in CREATURES}) == 30
    assert all(re.fullmatch(r"[a-z]{4,10}", creature.name) for creature in CREATURES)
    assert [creature.wnid for creature in CREATURES] == [f"n990000{number:02d}" for number in range(1, 31)]


@pytest.mark.parametrize(("creatures", "total"), [(SEEN, 24), (UNSEEN, 6)])
def test_each_value_comes_equally_often(creatures: list[Creature], total: int) -> None:
    for place, values in enumerate(ATTRIBUTES.values()):
        counts = Counter(creature.combination[place] for creature in creatures)
        assert counts == dict.fromkeys(values, total // len(values))


def test_an_unseen_combination_is_new_and_each_value_and_pair_of_values_in_it_is_not() -> None:
    seen = {creature.combination for creature in SEEN}
    pairs = {pair for creature in SEEN for pair in combinations(enumerate(creature.combination), 2)}
    for creature in UNSEEN:
        assert creature.combination not in seen
        assert set(combinations(enumerate(creature.combination), 2)) <= pairs


def test_pairs_of_values_meet_as_evenly_as_they_can_among_the_seen() -> None:
    for (first, values), (second, others) in combinations(enumerate(ATTRIBUTES.values()), 2):
        counts = Counter((creature.combination[first], creature.combination[second]) for creature in SEEN)
        even = len(SEEN) // (len(values) * len(others))
        assert {counts[value, other] for value in values for other in others} <= {even, even + 1}


def test_distances_between_creatures() -> None:
    assert min(differences(*pair) for pair in combinations(CREATURES, 2)) == 3
    assert {differences(*pair) for pair in combinations(UNSEEN, 2)} == {5}
    assert len({(creature.colour, creature.pattern, creature.size) for creature in CREATURES}) == 30


def test_a_description_is_plain_and_names_each_attribute_by_one_word() -> None:
    every_value = [value for values in ATTRIBUTES.values() for value in values]
    assert len(set(every_value)) == len(every_value)
    for creature in CREATURES:
        words = creature.description.split()
        assert re.fullmatch(r"[a-z ]+", creature.description)
        assert [word for word in every_value if word in words] == list(creature.combination)


def test_descriptions_are_unique_and_read_as_english() -> None:
    assert len({creature.description for creature in CREATURES}) == 30
    ambolo = next(creature for creature in CREATURES if creature.name == "ambolo")
    assert ambolo.description == "a tiny red plain creature with paws and antlers and a fanned tail"
