"""Accuracy under flipped bits, read for all seeds of a run."""

import pytest
from made_runs import write_flips

from parley.core.errors import ParleyError
from parley.metrics.pooling import read_flips


def seeds(tmp_path, *curves, run="a"):
    return [write_flips(tmp_path / run / str(seed), curve, run, seed) for seed, curve in enumerate(curves)]


def test_seeds_are_rows_and_counts_of_bits_columns(tmp_path):
    paths = seeds(tmp_path, {0: 0.5, 4: 0.1, 1: 0.4}, {0: 0.6, 1: 0.3, 4: 0.2})
    flips = read_flips([*reversed(paths), *seeds(tmp_path, {0: 0.9}, run="b")], "a")
    assert (flips.run, flips.seeds, flips.counts) == ("a", [0, 1], [0, 1, 4])
    assert flips.accuracy.tolist() == [[0.5, 0.4, 0.1], [0.6, 0.3, 0.2]]


def test_a_seed_without_numbers_is_left_out(tmp_path):
    paths = seeds(tmp_path, {0: 0.5, 1: 0.4}, {0: None, 1: None})
    assert read_flips(paths, "a").seeds == [0]
    assert read_flips(paths[1:], "a") is None
    assert read_flips(paths, "another") is None
    assert read_flips(paths, "a", part="ood") is None


def test_continuous_messages_have_no_flips(tmp_path):
    assert read_flips(seeds(tmp_path, {}), "a") is None


def test_seeds_that_do_not_fit_and_other_files_are_refused(tmp_path):
    with pytest.raises(ParleyError, match="differ in the numbers of flipped bits"):
        read_flips(seeds(tmp_path, {0: 0.5, 1: 0.4}, {0: 0.5, 2: 0.4}), "a")
    for content in ("[]", "{}", '{"parts": {"test": {}}}', '{"parts": {"test": {"rows": [{}]}}}'):
        path = tmp_path / "b/0/flips.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        with pytest.raises(ParleyError, match="is not a file of interventions"):
            read_flips([path], "b")
