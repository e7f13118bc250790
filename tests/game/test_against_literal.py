"""The package equals a literal implementation of the 2017 game: dialogues, losses and every gradient."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from game import literal
from game.engine_adapter import evaluate, has_options, train
from game.literal_cases import PLAIN, SIZES, Case, make_case
from hypothesis import given, settings
from hypothesis import strategies as st

PRESETS = ("Fixed", "Adaptive", "FixedAttention", "AdaptiveAttention")
SAID = ("sender_bits", "receiver_bits", "go_on", "active", "sender_probs", "receiver_probs", "go_on_probs", "scores")

EXISTING: list[dict[str, Any]] = [
    *({"preset": preset} for preset in PRESETS),
    {"mix": "prod"},
    {"mix": "mou"},
    {"description_attention": True},
    {"reward": "paper"},
    {"receiver_baseline": "paper"},
    {"stop_rule": "step"},
    {"first_message": 0.7},
    *({"attention_context": False, "preset": preset} for preset in PRESETS if preset.endswith("Attention")),
]

# Skipped if the package's settings lack them; their random numbers go through the adapter.
COMING: list[dict[str, Any]] = [
    {"ignore_receiver": True},
    {"ignore_sender": True},
    *({"ignore_code": True, "mix": mix} for mix in ("sum", "prod", "mou")),
    {"flip_sender": 0.3},
    {"flip_receiver": 0.3},
    {"flip_sender": 0.2, "flip_receiver": 0.4, "flip_in_evaluation": True},
    {"flip_receiver": 0.4, "ignore_receiver": True},
    {"corrupt_bits": "0"},
    {"corrupt_bits": "0:2,3", "message_bits": 4},
    {"exchange_cost": 0.3},
    {"exchange_cost": 0.3, "reward": "paper"},
    {"channel": "continuous_original"},
    {"channel": "continuous"},
    {"channel": "continuous", "ignore_receiver": True},
]

ALL = [
    *EXISTING,
    *(
        pytest.param(o, marks=pytest.mark.skipif(not has_options(o), reason="The package lacks this option."))
        for o in COMING
    ),
]
ANY: dict[str, st.SearchStrategy[Any]] = {
    "mix": st.sampled_from(["sum", "prod", "mou"]),
    "description_attention": st.booleans(),
    "attention_context": st.booleans(),
    "reward": st.sampled_from(["original", "paper"]),
    "receiver_baseline": st.sampled_from(["original", "paper"]),
    "stop_rule": st.sampled_from(["product", "step"]),
    "first_message": st.sampled_from([0.0, 0.7]),
    "ignore_receiver": st.booleans(),
    "ignore_sender": st.booleans(),
    "ignore_code": st.booleans(),
    "flip_sender": st.sampled_from([0.0, 0.3]),
    "flip_receiver": st.sampled_from([0.0, 0.3]),
    "flip_in_evaluation": st.booleans(),
    "corrupt_bits": st.sampled_from(["", "0"]),
    "exchange_cost": st.sampled_from([0.0, 0.2]),
}
SHAPING = {"mix", "description_attention", "attention_context", "message_bits", "preset"}
"""Options that change the networks."""
seeds = st.integers(0, 2**32 - 1)
entropies = st.sampled_from([0.0, 0.05, 0.3])


@st.composite
def cases(draw: st.DrawFn, fixed: dict[str, Any], drawn: dict[str, Any] | None = None) -> Case:
    """Draw a case with the given options, and random other options and sizes."""
    free: dict[str, Any] = {
        "preset": st.sampled_from(PRESETS),
        "message_bits": st.integers(1, 4),
        "max_exchanges": st.integers(1, 5),
        **(drawn or {}),
    }
    options = {name: draw(strategy) for name, strategy in free.items() if name not in fixed}
    sizes = {name: draw(st.integers(2 if name in ("batch", "candidates") else 1, _most(name))) for name in SIZES}
    names = ("sender_entropy", "receiver_entropy", "stop_entropy")
    return make_case(draw(seeds), {**options, **fixed}, sizes, **{name: draw(entropies) for name in names})


def _most(name: str) -> int:
    return 5 if name in ("batch", "candidates") else 4


def records_of(case: Case, evaluation: bool = False) -> list[literal.Record]:
    return [
        literal.play(
            case.options, case.weights, example, None if evaluation else case.uniforms[:, row], case.flips[:, row]
        )
        for row, example in enumerate(case.examples)
    ]


def said(records: list[literal.Record]) -> dict[str, Any]:
    together = {name: np.array([getattr(record, name) for record in records]).swapaxes(0, 1) for name in SAID}
    ends = {name: np.array([getattr(record, name) for record in records]) for name in ("prediction", "length")}
    return {**together, **ends}


def literal_losses(case: Case) -> dict[str, Any]:
    return literal.losses(case.options, case.training, case.weights, case.examples, records_of(case), case.targets)


def literal_training(case: Case) -> dict[str, Any]:
    """Return the same as `train`, from the literal game."""
    given = (case.options, case.training, case.weights, case.examples, records_of(case), case.targets)
    found = literal.losses(*given)
    return {
        **said(given[4]),
        **{name: found[name] for name in (*literal.NETWORKS, "reward", "log_likelihood")},
        "gradients": literal.gradients("total", *given),
    }


def differences(case: Case, found: dict[str, Any], expected: dict[str, Any]) -> dict[str, float]:
    """Return the largest difference of each value, absolute below 1 and relative above."""
    turns = len(found["active"])
    apart = {}
    for name in found.keys() & expected.keys() - {"gradients"}:
        ours = expected[name][:turns] if name in SAID else expected[name]
        apart[name] = distance(found[name], ours)
    if literal.continuous(case.options):  # Such messages have no probabilities.
        del apart["sender_probs"], apart["receiver_probs"]
    for network, slopes in expected.get("gradients", {}).items():
        assert slopes.keys() == found["gradients"][network].keys()
        for name, slope in slopes.items():
            apart[f"{network}.{name}"] = distance(found["gradients"][network][name], slope)
    return apart


def distance(one: Any, other: Any) -> float:
    one, other = np.asarray(one), np.asarray(other)
    assert one.shape == other.shape
    return float((np.abs(one - other) / (1 + np.abs(other))).max())


def beyond(apart: dict[str, float], limit: float) -> dict[str, float]:
    return {name: distance for name, distance in apart.items() if not distance <= limit}


@pytest.mark.parametrize("options", ALL, ids=str)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_training_equals_the_literal_game(options, data):
    case = data.draw(cases(options))
    expected, found = literal_training(case), train(case, data.draw(st.booleans()))
    # A training step may end as soon as all dialogues have stopped.
    assert not expected["active"][len(found["active"]) :].any()
    assert beyond(differences(case, found, expected), 1e-9) == {}


@pytest.mark.parametrize("options", ALL, ids=str)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_evaluation_equals_the_literal_game(options, data):
    case = data.draw(cases(options))
    assert beyond(differences(case, evaluate(case), said(records_of(case, evaluation=True))), 1e-10) == {}


@settings(max_examples=10, deadline=None)
@given(
    case=cases({}, {name: values for name, values in ANY.items() if has_options({name: None})}),
    ended_leave=st.booleans(),
)
def test_combined_options_equal_the_literal_game(case, ended_leave):
    assert beyond(differences(case, train(case, ended_leave), literal_training(case)), 1e-9) == {}
    assert beyond(differences(case, evaluate(case), said(records_of(case, evaluation=True))), 1e-10) == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_each_entropy_term_alone_equals_the_literal_game(preset):
    """Set one entropy weight at a time above zero, so that the losses differ by that term alone."""
    names = ("sender_entropy", "receiver_entropy", "stop_entropy")
    for weighed in (None, *names):
        case = make_case(3, {"preset": preset}, None, **{name: float(name == weighed) for name in names})
        terms = literal_losses(case)["terms"]
        found = train(case)
        stop = terms["stop_reinforce"] + terms["stop_entropy"] if literal.adaptive(case.options) else 0
        receiver = terms["nll"] + terms["receiver_reinforce"] + terms["receiver_entropy"] + stop
        assert found["sender"] == pytest.approx(terms["sender_reinforce"] + terms["sender_entropy"], abs=1e-10)
        assert found["receiver"] == pytest.approx(receiver, abs=1e-10)


@pytest.mark.parametrize("preset", PRESETS)
def test_training_accuracy_at_k_equals_the_literal_game(preset):
    found = set()
    for seed in range(5):
        case = make_case(seed, {"preset": preset, "max_exchanges": 4}, {"batch": 7, "candidates": 6, "words": 4})
        records = records_of(case)
        expected = [literal.accuracy_at(k, records, case.targets) for k in range(1, 7)]
        assert train(case)["accuracies"] == pytest.approx(expected, abs=1e-11)
        found |= set(expected)
    assert len(found) > 4  # Otherwise, the comparison would not test it.


# Sensitivity of the comparison: plausible mistakes, put into the literal game, must change its results.


def evenly(counts, values):
    return sum(values) / max(len(values), 1)


def attend_without_context(options, sender, example, incoming, t, attend=literal.attend):
    if t == 0:
        return literal.linear(sender, "eye.project", example.image.mean(0))
    return literal.linear(sender, "eye.project", attend(sender, "eye.attention", example.image, [incoming]))


def with_kept_dimension(advantages, said):
    """Multiply [B, 1] by [B] into [B, B], which credits each example with every other's reward."""
    return -literal.mean(advantages) * literal.mean(said)


def biased_deviation(values):
    return np.std(np.array(values), axis=0)


def attend_at_once(options, sender, example, incoming, t, look=literal.look):
    return look(options, sender, example, incoming, t + 1)


def decided_bits(name, record):
    return record.go_on[:, None] if name == "stop" else getattr(record, f"{name}_decided")


MISTAKES: list[tuple[str, Any, dict[str, Any]]] = [
    ("reinforce", with_kept_dimension, {"preset": "Fixed"}),
    ("reinforce", with_kept_dimension, {}),
    ("deviation", biased_deviation, {"exchange_cost": 0.0}),
    ("scaled", lambda gains: gains, {}),
    ("over_steps", evenly, {}),
    ("heard", lambda record: record.active, {}),
    ("heard", lambda record: record.active, {"preset": "Fixed"}),
    ("detach", lambda value: value, {}),
    ("look", attend_at_once, {"preset": "AdaptiveAttention"}),
    ("look", attend_without_context, {"preset": "AdaptiveAttention"}),
    ("scored_bits", decided_bits, {"flip_sender": 0.3}),
    ("scored_bits", decided_bits, {"flip_receiver": 0.3}),
    ("scored_bits", decided_bits, {"ignore_receiver": True}),
    ("STOP_CROSSES", False, {"channel": "continuous"}),
]


@pytest.mark.parametrize(
    ("name", "mistaken", "options"), MISTAKES, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_a_mistake_changes_the_results(monkeypatch, name, mistaken, options):
    case = make_case(5, {"max_exchanges": 4, **options}, {"batch": 6})
    right = literal_training(case)
    monkeypatch.setattr(literal, name, mistaken)
    assert beyond(differences(case, literal_training(case), right), 1e-4)


@pytest.mark.parametrize("options", [o for o in EXISTING + COMING if o.keys() - SHAPING], ids=str)
def test_each_option_makes_a_difference(options):
    """Check that each option changes the results; otherwise the comparison would not test it."""
    case = make_case(0, {"max_exchanges": 5, **options}, {"batch": 6})
    reset = {name: PLAIN[name] for name in options.keys() - SHAPING}
    plain = case._replace(options=SimpleNamespace(**{**vars(case.options), **reset}))
    losses = [literal_losses(one) for one in (case, plain)]
    answers = [said(records_of(one, evaluation=True)) for one in (case, plain)]
    learned = max(distance(*(loss[network] for loss in losses)) for network in literal.NETWORKS)
    answered = max(distance(*(answer[name] for answer in answers)) for name in SAID)
    assert max(learned, answered) > 1e-4
