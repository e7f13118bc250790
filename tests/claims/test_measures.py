"""What claims are measured by, on conversations whose numbers are known."""

import json

import numpy as np
import pytest
from made_runs import Talk, write_messages

from parley.claims import measures
from parley.claims.evidence import Evidence, read_evidence
from parley.claims.measures import About
from parley.errors import ParleyError
from parley.metrics.correlation import correlation

TEST = About("test", run="a")
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


def test_length_goes_with_difficulty(tmp_path):
    lengths = {0: [1, 1], 1: [1, 2], 2: [2, 2], 3: [3, 3]}
    talks = [talk(f"k{c}{i}", c, n) for c, of_class in lengths.items() for i, n in enumerate(of_class)]
    found = measures.length_with_difficulty(evidence(tmp_path, talks), TEST)
    assert found == {1: pytest.approx(np.corrcoef([1, 1.5, 2, 3], [0.9, 0.6, 0.5, 0.1])[0, 1])}


def test_where_all_are_as_long_nothing_is_correlated(tmp_path):
    made = evidence(tmp_path, [talk(f"k{c}", c, 2, right=c > 1) for c in range(4)])
    assert measures.length_with_difficulty(made, TEST) == {}
    assert measures.length_with_accuracy(made, TEST) == {}
    assert measures.one_exchange(made, TEST) == {1: 0}


def test_length_goes_with_right_answers(tmp_path):
    talks = [talk("k1", 0, 1), talk("k2", 1, 1), talk("k3", 2, 2, right=False), talk("k4", 3, 3, right=False)]
    made = evidence(tmp_path, talks)
    expected = correlation(np.array([1.0, 1, 2, 3]), np.array([1.0, 1, 0, 0])).r
    assert measures.length_with_accuracy(made, TEST) == {1: pytest.approx(expected)}
    assert measures.one_exchange(made, TEST) == {1: 0.5}


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
    assert measures.sender_entropy_change(made, TEST) == {1: pytest.approx(sender, abs=1e-5)}
    receiver = 2 * (entropy(0.8) - entropy(0.5))
    assert measures.receiver_entropy_change(made, TEST) == {1: pytest.approx(receiver, abs=1e-5)}


def test_predictions_grow_certain(tmp_path):
    made = evidence(tmp_path, [talk("k1", 0, 3, sharp=(0.0, 1.0, 20.0)), talk("k2", 1, 1)])
    assert measures.prediction_entropy_change(made, TEST) == {1: pytest.approx(-2, abs=1e-3)}


def evaluated(run, seed, **parts):
    return {"run": run, "seed": seed, "parts": {part: {"accuracy@k": value} for part, value in parts.items()}}


def made_grid(tmp_path):
    games = {f"d{bits}": {"message_bits": bits} for bits in (2, 8, 32)}
    found = [evaluated(f"d{bits}", 1, test=0.5 + 0.1 * step) for step, bits in enumerate((2, 8, 32))]
    found += [evaluated("d2", 2, test=0.5), evaluated("d8", 2, test=0.5)]  # the third of seed 2 failed
    return evidence(tmp_path, [talk("k", 0, 1)], games, found)


def test_bandwidth_is_told_by_doubling(tmp_path):
    found = measures.bandwidth_slope(made_grid(tmp_path), About("test", runs=("d2", "d8", "d32")))
    assert found == {1: pytest.approx(0.05)}
    with pytest.raises(ParleyError, match="have messages of the same width"):
        measures.bandwidth_slope(made_grid(tmp_path), About("test", runs=("d2", "d2")))


def test_differences_are_those_of_the_same_seed(tmp_path):
    made = made_grid(tmp_path)
    found = measures.accuracy_difference(made, About("test", run="d8", against="d2"))
    assert found == {1: pytest.approx(0.1), 2: 0}
    assert set(measures.accuracy_difference(made, About("test", run="d32", against="d2"))) == {1}
    with pytest.raises(ParleyError, match="Run d32 was not evaluated on the part transfer"):
        measures.accuracy_difference(made, About("transfer", run="d32", against="d2"))


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
    made = evidence(tmp_path, [talk("k", 0, 1)], {"a": {"message_bits": bits}}, interventions=[told, lost])
    assert measures.cost_of_flips(made, TEST) == {1: pytest.approx(-0.3)}
    assert measures.worth_of_questions(made, TEST) == {1: pytest.approx(-0.5)}


def test_what_is_not_there_is_told(tmp_path):
    made = evidence(tmp_path, [talk("k", 0, 1)])
    with pytest.raises(ParleyError, match="no conversations of run a on the part ood"):
        measures.one_exchange(made, About("ood", run="a"))
    with pytest.raises(ParleyError, match="No linear classifier was tested on the part dev"):
        measures.length_with_difficulty(made, About("dev", run="a"))


def test_a_seed_that_diverged_has_no_number(tmp_path):
    talks = [talk("k1", 0, 1), talk("k2", 1, 2)]
    talks[0].scores[0][0] = float("nan")
    assert measures.one_exchange(evidence(tmp_path, talks), TEST) == {}
    assert isinstance(evidence(tmp_path, talks), Evidence)
