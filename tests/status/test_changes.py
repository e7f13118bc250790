"""Changed values are found from recorded params, which are text without names."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.status.jobs import ABSENT
from parley.status.reasons import WORDS, changed_params, describe

CODE, OTHER = "0123456789abcdef", "fedcba9876543210"


def recorded(**params):
    """Return params as Snakemake records them."""
    return sorted(map(repr, params.values()))


def described(old, new):
    changes, code = changed_params(recorded(**old), new)
    return [describe(change) for change in changes], code


def test_a_value_deep_inside_is_named_as_in_the_config():
    def run(steps, bits):
        training = {"steps": steps, "learning_rate": 0.001}
        return [
            {"experiment": "e", "run": "a", "seed": 1, "k": 3, "game": {"message_bits": bits}, "training": training}
        ]

    old, new = {"runs": run(3000, 16), "code": CODE}, {"runs": run(4000, 8), "code": CODE}
    assert described(old, new) == (["game.message_bits 16 → 8", "training.steps 3000 → 4000"], None)


def test_the_digest_of_the_code_is_not_a_changed_value():
    assert described({"rule": "accuracy@k", "code": CODE}, {"rule": "accuracy@k", "code": OTHER}) == ([], CODE)
    assert described({"rule": "accuracy@k", "code": CODE}, {"rule": "nll", "code": OTHER}) == (
        ["selection.rule accuracy@k → nll"],
        CODE,
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"fetch": {"margin": 0}}, {"fetch": {"margin": 4}}, ["fetch.margin 0 → 4"]),
        ({"ks": [3, 3]}, {"ks": [4, 4]}, ["evaluation.k and k_unseen: + 4 and 4, − 3 and 3"]),
        ({"seeds": [1, 2]}, {"seeds": [1, 2, 3]}, ["seeds: + 3"]),
        ({"runs": ["a", "b"]}, {"runs": ["b", "a"]}, ["runs ['a', 'b'] → ['b', 'a']"]),
        ({"counts": {"in": {"train": 6}}}, {"counts": {"in": {"train": 5}}}, ["split.in.train 6 → 5"]),
        ({"config": {"seeds": [1], "k": 1}}, {"config": {"seeds": [2], "k": 1}}, ["seeds: + 2, − 1"]),
        ({"layers": "pooled"}, {"layers": None}, ["features.layers pooled → null"]),
        ({"gloss": "first", "wordnet": "/x"}, {"gloss": "all", "wordnet": "/x"}, ["descriptions.gloss first → all"]),
        ({"a": True, "b": 5}, {"a": False, "b": 6}, ["a true → false", "b 5 → 6"]),
        ({"a": 3, "b": 3}, {"a": 3, "b": 4}, ["b 3 → 4"]),
        ({"a": 1}, {"a": 1, "b": "x"}, ["b is now x"]),
        ({"a": 1, "b": "x"}, {"a": 1}, ["a value that the stage no longer uses was x"]),
        (
            {"config": {"runs": [{"name": "a", "game": {"x": 1}}]}},
            {"config": {"runs": [{"name": "a", "game": {"x": 2}}]}},
            ["runs.a.game.x 1 → 2"],
        ),
        (
            {"counts": {"in": 1, "out": 2}},
            {"counts": {"out": 2, "in": 1}},
            ["the order of split ['in', 'out'] → ['out', 'in']"],
        ),
        (
            {"classes": [{"name": "cat", "description": "a"}]},
            {"classes": [{"name": "cat", "description": "[red]b[/]"}]},
            ["the class set: cat description a → [red]b[/]"],
        ),
        (
            {"classes": [{"name": "cat"}]},
            {"classes": [{"name": "cat"}, {"name": "dog"}]},
            ["the class set: dog is added"],
        ),
    ],
)
def test_each_kind_of_change_in_words(old, new, words):
    assert described(old, new)[0] == words


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), values), st.dictionaries(st.sampled_from("abcd"), values))
def test_changes_are_found_exactly_if_the_records_differ(old, new):
    changes, code = changed_params(recorded(**old), new)
    assert code is None
    assert bool(changes) == (recorded(**old) != recorded(**new))
    assert all(describe(change) for change in changes)
    assert all(change.old is not ABSENT or change.new is not ABSENT for change in changes)


def test_long_values_are_cut():
    (words,), _ = described({"source": "x" * 100}, {"source": "y" * 100})
    assert words == f"source {'x' * 39}… → {'y' * 39}…"


OWN_NAMES = {"about", "cache", "code", "drawn", "experiment", "folder", "questions", "runs", "seed", "seeds"}
OWN_NAMES |= {"benchmarks", "stages", "weights_folder", "world"}
"""Params that go by their own names, or change nothing that a person sets."""


def test_every_param_of_a_rule_has_words():
    found = set()
    for path in (Path(__file__).parents[2] / "workflow/rules").glob("*.smk"):
        for block in re.findall(r"^( +)params:\n((?:\1 .*\n|\n)+)", path.read_text(), re.MULTILINE):
            indent, lines = block
            found |= set(re.findall(rf"^{indent}    (\w+)=", lines, re.MULTILINE))
    assert {"runs", "counts", "code"} <= found
    assert found - OWN_NAMES <= set(WORDS), "give it words in parley.status.reasons, or add it to OWN_NAMES here"
    assert set(WORDS) <= found
