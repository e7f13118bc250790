"""Interventions on the messages of a trained run, and their measures."""

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from easy_runs import TINY, easy

from parley.analysis.seed_tables import INTERVENTION_COLUMNS, summarise_interventions
from parley.config.schema import read_schema
from parley.evaluation import interventions
from parley.evaluation.any_checkpoint import under_control
from parley.evaluation.evaluate import make_batch_spec, play, rollout_inputs
from parley.evaluation.interventions import bit_counts, intervened, iter_interventions, other_images
from parley.game.agents import make_agents
from parley.game.settings import TrainingSettings
from parley.interaction.run import rollout_split, score, summarize_split
from parley.metrics.influence import UNITS
from parley.training.checkpoint import Checkpoint
from parley.training.training_data import build_training_data

SCHEMA = read_schema(Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml")
IMAGES, BITS, STEPS = 48, TINY.message_bits, TINY.max_exchanges


@pytest.fixture(scope="module")
def found(trained):
    return by_name(trained)


def untrained(**settings):
    """An untrained run with varied messages."""
    game = replace(TINY, **settings)
    train, _, candidates = easy()
    data = build_training_data(train, train, candidates, game)
    agents = make_agents(game, data.sizes.feature, data.sizes.word, [1])
    # Larger weights, so that received messages change the ones sent.
    for agent in (agents.sender, agents.receiver):
        for parameter in agent.parameters():
            parameter.data.mul_(3)
    training = TrainingSettings(dev_batch_size=7)
    return Checkpoint(agents, data.standardizer, game, training, data.sizes, data.candidate_ids, 1, 0, {})


def batch_spec(checkpoint):
    _, dev, candidates = easy()
    return make_batch_spec(checkpoint, dev, candidates, checkpoint.candidate_ids, "dev")


def by_name(checkpoint, k=2):
    return {
        (row["intervention"], row["value"]): row["measures"]
        for row in intervened(checkpoint, batch_spec(checkpoint), k)
    }


def scored(checkpoint, k=2):
    spec = batch_spec(checkpoint)
    return score(play(checkpoint, spec), spec.target_index, k)


@pytest.mark.slow
def test_every_intervention_occurs_once(found):
    names = list(found)
    counts = [0, 1, 2, 4, 6]
    assert names == [
        ("none", None),
        *(("flipped_bits", count) for count in counts),
        *(("flipped_exchange", t) for t in (1, 2, 3)),
        *(("flipped_place", bit) for bit in range(6)),
        *(("flipped_questions", count) for count in counts),
        *(("other_question", t) for t in (1, 2)),
        *(("other_message", t) for t in (1, 2, 3)),
        ("all_questions", None),
        ("all_messages", None),
    ]
    assert bit_counts(1) == [0, 1]
    assert bit_counts(16) == [0, 1, 2, 4, 8, 16]


def test_without_a_change_measures_equal_the_evaluation(trained, found):
    expected = {name: scored(trained)[name] for name in ("accuracy@1", "accuracy@k", "length")}
    assert found["none", None] == expected
    untouched = {**expected, "answers_changed": 0, "prediction_shift": 0}
    assert found["flipped_bits", 0] == untouched
    measures = found["flipped_questions", 0]
    assert {**untouched, "bits_changed": measures["bits_changed"]} == measures
    assert measures["bits_changed"] in (0, None)


def test_an_intervention_without_effect_is_not_run(monkeypatch):
    played = []
    monkeypatch.setattr(
        interventions,
        "summarize_split",
        lambda *given, real=summarize_split: played.append(given[-1]) or real(*given),
    )
    rows = intervened(untrained(), batch_spec(untrained()), 2)
    assert [edit is None for edit in played] == [True] + [False] * (len(rows) - 3)
    assert {("flipped_bits", 0), ("flipped_questions", 0)} < {(row["intervention"], row["value"]) for row in rows}


def test_progress_counts_interventions(caplog):
    caplog.set_level("INFO", logger="parley.core.progress")
    rows = intervened(untrained(), batch_spec(untrained()), 2, what="disturb fixed/1, test")
    assert f"disturb fixed/1, test: {len(rows)} of {len(rows)} interventions" in caplog.messages[-1]


def test_flipping_every_bit_equals_the_control(trained, found):
    expected = scored(under_control(trained, ["corrupt_bits=0:6"], SCHEMA))
    for name in ("accuracy@1", "accuracy@k", "length"):
        assert found["flipped_bits", 6][name] == expected[name]


@pytest.mark.parametrize("bit", range(3))
def test_flipping_one_bit_equals_the_control(trained, found, bit):
    expected = scored(under_control(trained, [f"corrupt_bits={bit}"], SCHEMA))
    assert found["flipped_place", bit]["accuracy@1"] == expected["accuracy@1"]


def test_messages_of_other_images_bring_accuracy_to_chance_and_below(found):
    assert found["none", None]["accuracy@1"] > 0.9
    # They describe other classes, so almost none is right by chance.
    assert found["all_messages", None]["accuracy@1"] < 0.1
    assert found["all_messages", None]["answers_changed"] > 0.9
    assert found["all_messages", None]["prediction_shift"] > 0.1


def test_messages_of_an_ignored_receiver_have_no_effect():
    measures = by_name(untrained(ignore_receiver=True))
    for value in (1, 2):
        done = measures["other_question", value]
        assert (done["answers_changed"], done["prediction_shift"], done["bits_changed"]) in ((0, 0, 0), (0, 0, None))


def test_a_receiver_message_changes_nothing_before_the_next_sender_message():
    checkpoint = untrained(preset="Fixed")
    measures = by_name(checkpoint)
    assert measures["other_question", 1]["bits_changed"] > 0.1
    # Only the following message is compared, and earlier ones do not change.
    spec = batch_spec(checkpoint)
    before = play(checkpoint, spec)
    done = {(one.name, one.value): one for one in iter_interventions(checkpoint.game, before, spec.part.targets)}
    setup = rollout_inputs(checkpoint, spec)._replace(batch_size=20)
    disturbed = rollout_split(setup, done["other_question", 2].edit).of(0)
    assert torch.equal(disturbed.sender_bits[:2], before.sender_bits[:2])
    assert torch.equal(disturbed.receiver_bits[0], before.receiver_bits[0])
    others = other_images(spec.part.targets)
    assert torch.equal(disturbed.receiver_bits[1], before.receiver_bits[1, others])
    changed = (disturbed.sender_bits[2] != before.sender_bits[2]).sum(-1).double().mean()
    assert measures["other_question", 2]["bits_changed"] == pytest.approx(changed.item())


def test_with_one_exchange_no_receiver_message_changes():
    names = {name for name, _ in by_name(untrained(max_exchanges=1))}
    assert names == {"none", "flipped_bits", "flipped_exchange", "flipped_place", "other_message", "all_messages"}


@pytest.mark.parametrize("channel", ["continuous", "continuous_original"])
def test_continuous_messages_are_replaced_and_not_flipped(channel):
    measures = by_name(untrained(channel=channel))
    assert {name for name, _ in measures} == {
        "none", "other_question", "other_message", "all_questions", "all_messages",
    }  # fmt: skip
    assert all("bits_changed" not in one for one in measures.values())
    assert measures["other_message", 1]["prediction_shift"] > 0


def test_scores_that_are_not_finite_have_no_measures():
    checkpoint = untrained()
    for parameter in checkpoint.agents.receiver.parameters():
        parameter.data.fill_(float("nan"))
    assert {value for measures in by_name(checkpoint).values() for value in measures.values()} == {None}


def test_the_batch_size_has_no_effect(monkeypatch):
    checkpoint = untrained()
    whole = by_name(checkpoint)
    monkeypatch.setattr(interventions, "BATCH", 11)
    pieces = by_name(checkpoint)
    for name, measures in whole.items():
        assert pieces[name] == pytest.approx(measures, abs=1e-6), name


def test_with_many_candidates_batches_are_smaller(monkeypatch):
    checkpoint, sizes = untrained(), []
    spec, exchanges = batch_spec(checkpoint), checkpoint.game.max_exchanges
    monkeypatch.setattr(
        interventions,
        "summarize_split",
        lambda *given, real=summarize_split: sizes.append(given[0].batch_size) or real(*given),
    )
    whole = intervened(checkpoint, spec, 2, ["none"])
    monkeypatch.setattr(interventions, "MOST_SCORES", 3 * exchanges * len(spec.labels) + 1)
    assert intervened(checkpoint, spec, 2, ["none"]) == whole
    assert sizes == [interventions.BATCH, 3]


def test_if_the_batch_size_matters_it_is_that_of_the_evaluation(monkeypatch):
    checkpoint = untrained(flip_sender=0.3, flip_in_evaluation=True)
    monkeypatch.setattr(interventions, "BATCH", 1)
    assert by_name(checkpoint)["none", None]["accuracy@1"] == scored(checkpoint)["accuracy@1"]


def test_the_given_number_of_bits_flips_and_more_include_fewer():
    checkpoint = untrained()
    spec = batch_spec(checkpoint)
    done = {
        (one.name, one.value): one.edit
        for one in iter_interventions(checkpoint.game, play(checkpoint, spec), spec.part.targets)
    }
    for name in ("flipped_bits", "flipped_questions"):
        masks = [done[name, count].values for count in (0, 1, 2, 4, 6)]
        assert [set(mask.sum(-1).flatten().tolist()) for mask in masks] == [{0}, {1}, {2}, {4}, {6}]
        assert all((more | less).equal(more) for less, more in pairwise(masks))
        # Each bit is drawn: 144 draws of one of six bits.
        assert masks[1].flatten(0, 1).sum(0).min() > 5
    assert not done["flipped_bits", 1].values.equal(done["flipped_questions", 1].values)
    assert done["flipped_exchange", 2].exchanges == [1]
    assert set(done["flipped_exchange", 2].values.sum(-1).flatten().tolist()) == {3}


@pytest.mark.parametrize("sizes", [[12] * 4, [1, 30], [5, 1, 1], [1, 1]])
def test_another_image_is_of_another_class(sizes):
    targets = torch.cat([torch.full((size,), 10 - label) for label, size in enumerate(sizes)])
    targets = targets[torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))]
    assert not (targets[other_images(targets)] == targets).any()


def test_with_one_class_another_image_is_a_different_one():
    for count in (2, 3, 40):
        assert not (other_images(torch.zeros(count)) == torch.arange(count)).any()
    assert len(other_images(torch.zeros(400)).unique()) > 200


def test_one_image_has_no_other():
    checkpoint = untrained()
    spec = batch_spec(checkpoint)
    one = spec._replace(part=spec.part._replace(images=spec.part.images.take(torch.tensor([3]))))
    one = one._replace(part=one.part._replace(targets=spec.part.targets[3:4]), target_index=spec.target_index[3:4])
    assert {row["intervention"] for row in intervened(checkpoint, one, 1)}.isdisjoint({"other_message", "all_messages"})


def test_the_table_has_a_row_for_each_measure_and_counts_failed_seeds(tmp_path):
    def written(seed, accuracy):
        measures = {"accuracy@1": accuracy, "bits_changed": None}
        rows = [{"intervention": "other_question", "value": 1, "measures": measures}]
        path = tmp_path / f"{seed}.json"
        path.write_text(json.dumps({"run": "a", "seed": seed, "parts": {"test": {"n": 4, "rows": rows}}}))
        return path

    summarise_interventions([written(1, 0.5), written(2, 0.7)], {"a": 3, "lost": 3}, tmp_path / "interventions.csv")
    with (tmp_path / "interventions.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert tuple(first) == INTERVENTION_COLUMNS
    assert [first[name] for name in INTERVENTION_COLUMNS[:6]] == [
        "a",
        "test",
        "other_question",
        "1",
        "accuracy@1",
        "fraction",
    ]
    assert float(first["mean"]) == pytest.approx(0.6)
    assert (first["n_seeds"], first["seeds_failed"]) == ("2", "1")
    assert (second["mean"], second["seeds_failed"], second["unit"]) == ("", "3", UNITS["bits_changed"])
