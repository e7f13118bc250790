"""The candidates of an evaluation."""

import pytest

from parley.interaction.eval_sets import candidate_ids


@pytest.mark.parametrize(
    ("among", "expected"),
    [("seen", [2, 0]), ("all", [2, 0, 1, 3, 4]), ("seen+own", [2, 0, 3]), ("own", [0, 3])],
)
def test_each_choice(among, expected):
    assert candidate_ids(among, seen=[2, 0], own=[3, 0], described=range(5)) == expected
