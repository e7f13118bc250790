"""What claims are measured by, on conversations whose numbers are known."""

import json

import numpy as np
import pytest
from made_runs import Talk, write_messages

from parley.analysis import claim_measures
from parley.analysis.claim_measures import (
    Pairs,
    Scope,
    correlations,
    length_and_accuracy,
    length_and_difficulty,
    permutation_p,
    read_evidence,
)
from parley.metrics.statistics import correlation


@pytest.fixture(autouse=True)
def _few_cases(monkeypatch):
    """Means of few conversations are told here, where each is known."""
    monkeypatch.setattr(claim_measures, "FEWEST_CASES", 1)


def values(found):
    return {seed: one.value for seed, one in found.items()}


TEST = Scope("test", run="a")
LABELS = ["cat", "dog", "owl", "eel"]


def entropy(p):
    return 0.0 if p in (0, 1) else -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def talk(key, target, length, right=True, sender=(0.5, 0.5, 0.5), receiver=(0.5, 0.5, 0.5), sharp=(0.0, 0.0, 0.0)):
    """Three exchanges of messages of two bits, both with the probabilities given; `sharp` makes predictions surer."""
    scores = [[s if label == (target if right else (target + 1) % 4) else 0.0 for label in range(4)] for s in sharp]
    scores[length - 1][target if right else (target + 1) % 4] += 0.1
    return Talk(
        key,
        target,
        scores,
        length,
        sender=[[0, 1]] * 3,
        sender_probs=[[p, p] for p in sender],
        receiver_probs=[[p, p] for p in receiver],
    )


def evidence(tmp_path, talks, games=None, evaluations=(), interventions=(), seed=1):
    path = write_messages(tmp_path / f"runs/a/{seed}/messages.hdf5", talks, LABELS, run="a", seed=seed, bits=2)
    table = tmp_path / "difficulty.csv"
    table.write_text("class,part,f1\ncat,test,0.9\ndog,test,0.6\nowl,test,0.5\neel,test,0.1\nelk,train,\n")
    files = {"evaluation": [], "interventions": []}
    for name, contents in (("evaluation", evaluations), ("interventions", interventions)):
        for one in contents:
            file = tmp_path / f"runs/{one['run']}/{one['seed']}/{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(one))
            files[name].append(file)
    return read_evidence(games or {}, files["evaluation"], files["interventions"], [path], table)


def test_length_correlates_with_difficulty(tmp_path):
    lengths = {0: [1, 1], 1: [1, 2], 2: [2, 2], 3: [3, 3]}
    talks = [talk(f"k{c}{i}", c, n) for c, of_class in lengths.items() for i, n in enumerate(of_class)]
    found = correlations(length_and_difficulty(evidence(tmp_path, talks), TEST))
    assert values(found) == {1: pytest.approx(np.corrcoef([1, 1.5, 2, 3], [0.9, 0.6, 0.5, 0.1])[0, 1])}
    assert found[1].cases == 4


def test_constant_length_has_no_correlation(tmp_path):
    made = evidence(tmp_path, [talk(f"k{c}", c, 2, right=c > 1) for c in range(4)])
    for pairs in (length_and_difficulty, length_and_accuracy):
        assert correlations(pairs(made, TEST)) == {}
        assert permutation_p(pairs(made, TEST), 10, np.random.default_rng(0)) is None
    assert values(claim_measures.one_exchange(made, TEST)) == {1: 0}


def test_length_correlates_with_correct_answers(tmp_path):
    talks = [talk("k1", 0, 1), talk("k2", 1, 1), talk("k3", 2, 2, right=False), talk("k4", 3, 3, right=False)]
    made = evidence(tmp_path, talks[::-1])
    expected = correlation(np.array([1.0, 1, 2, 3]), np.array([1.0, 1, 0, 0])).r
    assert values(correlations(length_and_accuracy(made, TEST))) == {1: pytest.approx(expected)}
    assert claim_measures.one_exchange(made, TEST)[1] == (0.5, 4)


def test_effects_shared_by_seeds_are_not_a_correlation():
    """Classes are talked about long for reasons of their own, in all seeds, whatever their difficulty."""
    draw, agreeing, found = np.random.default_rng(0), 0, []
    for _ in range(60):
        f1, effect = draw.normal(size=24), draw.normal(size=24)
        pairs = {seed: Pairs(effect + 0.3 * draw.normal(size=24), f1) for seed in range(5)}
        rs = np.array([one.value for one in correlations(pairs).values()])
        agreeing += abs(rs.mean()) > 2.776 * rs.std(ddof=1) / 5**0.5
        found.append(permutation_p(pairs, 200, draw))
    assert agreeing > 20  # what the interval over seeds says of nothing
    assert (np.array(found) < 0.05).sum() <= 9
    assert 18 <= (np.array(found) < 0.5).sum() <= 42


def test_a_true_correlation_is_beyond_its_null():
    draw = np.random.default_rng(0)
    f1 = draw.normal(size=24)
    pairs = {seed: Pairs(-f1 + 0.5 * draw.normal(size=24), f1) for seed in range(3)}
    pairs[7] = Pairs(np.ones(24), f1)  # a seed in which nothing varies has no say
    assert permutation_p(pairs, 400, draw) == 1 / 401
    holes = {seed: Pairs(np.append(one.one, np.nan), np.append(one.other, np.nan)) for seed, one in pairs.items()}
    assert permutation_p(holes, 400, draw) == 1 / 401


def test_entropies_change_within_conversations_and_only_as_far_as_they_were_heard(tmp_path):
    talks = [
        # Two exchanges: the Sender's messages go from a coin to certain; its third was never sent.
        talk("k1", 0, 2, sender=(0.5, 1.0, 0.5), receiver=(0.5, 0.0, 0.5)),
        # Three: two questions were answered, the last was not.
        talk("k2", 1, 3, sender=(0.5, 0.5, 0.9), receiver=(0.5, 0.8, 0.0)),
        # One: nothing to compare.
        talk("k3", 2, 1, sender=(0.1, 0.9, 0.9)),
    ]
    made = evidence(tmp_path, talks)
    sender = np.mean([0 - 2 * entropy(0.5), 2 * (entropy(0.9) - entropy(0.5))])
    assert values(claim_measures.sender_entropy_change(made, TEST)) == {1: pytest.approx(sender, abs=1e-5)}
    receiver = 2 * (entropy(0.8) - entropy(0.5))
    assert values(claim_measures.receiver_entropy_change(made, TEST)) == {1: pytest.approx(receiver, abs=1e-5)}


def test_of_a_handful_of_conversations_nothing_is_reported(tmp_path, monkeypatch):
    made = evidence(tmp_path, [talk(f"k{row}", row % 4, 2) for row in range(10)])
    monkeypatch.setattr(claim_measures, "FEWEST_CASES", 10)
    assert claim_measures.sender_entropy_change(made, TEST)[1].cases == 10
    monkeypatch.setattr(claim_measures, "FEWEST_CASES", 11)
    assert claim_measures.sender_entropy_change(made, TEST) == {}


def test_predictions_grow_certain(tmp_path):
    made = evidence(tmp_path, [talk("k1", 0, 3, sharp=(0.0, 1.0, 20.0)), talk("k2", 1, 1)])
    assert values(claim_measures.prediction_entropy_change(made, TEST)) == {1: pytest.approx(-2, abs=1e-3)}


def evaluated(run, seed, **parts):
    return {"run": run, "seed": seed, "parts": {part: {"accuracy@k": value, "n": 40} for part, value in parts.items()}}


def made_grid(tmp_path):
    games = {f"d{bits}": {"message_bits": bits} for bits in (2, 8, 32)}
    found = [evaluated(f"d{bits}", 1, test=0.5 + 0.1 * step) for step, bits in enumerate((2, 8, 32))]
    found += [evaluated("d2", 2, test=0.5), evaluated("d8", 2, test=0.5)]  # the third of seed 2 failed
    return evidence(tmp_path, [talk("k", 0, 1)], games, found)


def test_bandwidth_gain_compares_the_fewest_with_the_most_bits(tmp_path):
    found = claim_measures.bandwidth_gain(made_grid(tmp_path), Scope("test", runs=("d2", "d8", "d32")))
    assert found == {1: (pytest.approx(0.2), 40)}


def test_differences_are_those_of_the_same_seed(tmp_path):
    made = made_grid(tmp_path)
    found = claim_measures.accuracy_difference(made, Scope("test", run="d8", against="d2"))
    assert values(found) == {1: pytest.approx(0.1), 2: 0}
    assert set(claim_measures.accuracy_difference(made, Scope("test", run="d32", against="d2"))) == {1}
    # A run of which every seed failed has nothing, and takes nothing else down.
    assert claim_measures.accuracy_difference(made, Scope("test", run="lost", against="d2")) == {}
    assert claim_measures.one_exchange(made, Scope("test", run="lost")) == {}


def test_the_first_answers_of_two_runs_are_compared_by_accuracy_at_one(tmp_path):
    rows = [("a", 1, 0.7), ("b", 1, 0.4), ("a", 2, 0.5)]
    found = [
        {"run": run, "seed": seed, "parts": {"test": {"n": 40, "accuracy@1": first, "accuracy@k": 1.0}}}
        for run, seed, first in rows
    ]
    made = evidence(tmp_path, [talk("k", 0, 1)], evaluations=found)
    both = Scope("test", run="a", against="b")
    assert claim_measures.first_answer_difference(made, both) == {1: (pytest.approx(0.3), 40)}
    assert claim_measures.accuracy_difference(made, both) == {1: (0, 40)}


def test_the_gain_after_the_first_exchange_is_that_of_the_answers(tmp_path):
    """The first is right from the start, the second at its end, the third was right at first, the fourth never."""
    talks = [talk("k1", 0, 2), talk("k2", 1, 3), talk("k3", 2, 2), talk("k4", 3, 1, right=False)]
    for told, first, last in ((0, 0, 0), (1, 2, 1), (2, 2, 0), (3, 0, 0)):
        talks[told].scores[0] = [float(label == first) for label in range(4)]
        talks[told].scores[talks[told].length - 1] = [float(label == last) for label in range(4)]
    assert claim_measures.gain_after_first(evidence(tmp_path, talks), TEST) == {1: (0, 4)}
    talks[2].scores[1] = [0.0, 0.0, 1.0, 0.0]
    assert claim_measures.gain_after_first(evidence(tmp_path, talks, seed=2), TEST) == {2: (0.25, 4)}


@pytest.mark.parametrize(("bits", "flipped"), [(2, 1), (4, 1), (16, 4), (24, 4), (32, 8)])
def test_a_quarter_of_the_bits_is_flipped(tmp_path, bits, flipped):
    rows = [
        {"intervention": "none", "value": None, "measures": {"accuracy@1": 0.9}},
        {"intervention": "all_questions", "value": None, "measures": {"accuracy@1": 0.4}},
        {"intervention": "flipped_bits", "value": flipped, "measures": {"accuracy@1": 0.6}},
        {"intervention": "flipped_bits", "value": 999, "measures": {"accuracy@1": 0.1}},
    ]
    told = {"run": "a", "seed": 1, "parts": {"test": {"rows": rows}}}
    lost = {"run": "a", "seed": 2, "parts": {"test": {"rows": [{**rows[0], "measures": {"accuracy@1": None}}]}}}
    games = {"a": {"message_bits": bits}}
    made = evidence(tmp_path, [talk("k", 0, 1)], games, [evaluated("a", 1, test=0.9)], [told, lost])
    assert claim_measures.cost_of_flips(made, TEST) == {1: (pytest.approx(-0.3), 40)}
    assert claim_measures.worth_of_questions(made, TEST) == {1: (pytest.approx(-0.5), 40)}


def test_a_seed_that_diverged_has_no_number(tmp_path):
    talks = [talk("k1", 0, 1), talk("k2", 1, 2)]
    talks[0].scores[0][0] = float("nan")
    assert claim_measures.one_exchange(evidence(tmp_path, talks), TEST) == {}
