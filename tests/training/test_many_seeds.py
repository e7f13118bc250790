"""Runs that share a process give the same results as each alone."""

import json

import pytest
import torch
from easy_runs import TINY
from easy_trainers import GAMES, SEEDS, rows, trainer_of, training_data_of

from parley.game.rng import uniforms
from parley.game.rollout import rollout
from parley.game.settings import TrainingSettings
from parley.game.types import RandomDraws
from parley.training.loop import train_runs

pytestmark = pytest.mark.slow

STEPS = 50
NEAR = 0.02


@pytest.mark.parametrize("name", list(GAMES))
def test_fifty_steps_in_float64_are_those_of_a_lone_run(name):
    together = trainer_of(name, SEEDS, torch.float64)
    alone = [trainer_of(name, [seed], torch.float64) for seed in SEEDS]
    for step in range(1, STEPS + 1):
        counted = together.train_step(step, torch.stack([rows(seed, step) for seed in SEEDS]))
        for place, (seed, one) in enumerate(zip(SEEDS, alone, strict=True)):
            lone = one.train_step(step, rows(seed, step)[None])
            torch.testing.assert_close(counted[:, place], lone[:, 0], rtol=0, atol=1e-9)
    for place, one in enumerate(alone):
        for many, single in zip(together.agents, one.agents, strict=True):
            for a, b in zip(many.parameters(), single.parameters(), strict=True):
                torch.testing.assert_close(a[place], b[0], rtol=0, atol=1e-9)


def test_in_float32_runs_differ_only_where_a_random_number_is_within_rounding():
    """Before that step all decisions are equal; there, one random number is between two almost equal probabilities.

    How near: RMSprop makes a full step of a gradient that is nothing but rounding, so that weights drift apart.
    """
    together, alone = (trainer_of("Adaptive", seeds, torch.float32) for seeds in (SEEDS, SEEDS[:1]))
    for step in range(1, STEPS + 1):
        probs, drawn = zip(*(decided_by(trainer, step) for trainer in (together, alone)), strict=True)
        bits = [numbers < each for numbers, each in zip(drawn, probs, strict=True)]
        parted = (bits[0] != bits[1]).flatten(1).any(1).nonzero()
        if len(parted):
            # After the first bit that differs, the dialogues differ; that bit is among those with the smallest gap.
            differ = (bits[0] != bits[1])[parted[0, 0]]
            gaps = (probs[0] - probs[1]).abs()[parted[0, 0]][differ]
            assert gaps.min() < NEAR
            return
        torch.testing.assert_close(probs[0], probs[1], rtol=0, atol=NEAR)
        together.train_step(step, torch.stack([rows(seed, step) for seed in SEEDS]))
        alone.train_step(step, rows(SEEDS[0], step)[None])


def decided_by(trainer, step):
    """The first seed's probabilities at a step, exchange by exchange, and their random numbers."""
    images = trainer.data.train_images.take(rows(SEEDS[0], step))
    draws = RandomDraws(uniforms(trainer.seeds, "bits", step, (6, 16, 2 * 6 + 1)), None)
    said = rollout(trainer.agents.sender, trainer.agents.receiver, images, trainer.descriptions, draws).of(0)
    probs = torch.cat([said.sender_probs, said.receiver_probs, said.go_on_probs[..., None]], -1)
    return probs, draws.decisions[0]


def test_each_seed_has_its_own_log_and_checkpoints(tmp_path):
    training = TrainingSettings(steps=12, batch_size=16, learning_rate=1e-3, dev_every=4, first_checkpoint=4)
    folders = [tmp_path / str(seed) for seed in SEEDS]
    train_runs(training_data_of(TINY), TINY, training, SEEDS, 2, folders)
    train_runs(training_data_of(TINY), TINY, training, SEEDS[1:2], 2, [tmp_path / "alone"])

    def steps(folder):
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [(line["kind"], line["step"]) for line in lines], sorted(p.name for p in folder.glob("checkpoints/*"))

    assert {str(steps(folder)) for folder in folders} == {str(steps(tmp_path / "alone"))}
    assert len({(folder / "metrics.jsonl").read_text() for folder in folders}) == 3


def test_a_seed_stops_early_at_the_same_step_as_alone(tmp_path):
    training = TrainingSettings(
        steps=400, batch_size=16, learning_rate=1e-2, dev_every=5, first_checkpoint=5, patience=3, dev_unit="epochs"
    )
    folders = [tmp_path / str(seed) for seed in SEEDS]
    train_runs(training_data_of(TINY), TINY, training, SEEDS, 2, folders)
    ends = []
    for seed, folder in zip(SEEDS, folders, strict=True):
        train_runs(training_data_of(TINY), TINY, training, [seed], 2, [tmp_path / f"alone{seed}"])
        last = [
            json.loads(at.read_text().splitlines()[-1])
            for at in (folder / "metrics.jsonl", tmp_path / f"alone{seed}/metrics.jsonl")
        ]
        assert last[0]["kind"] == last[1]["kind"] == "dev"
        # 48 images in batches of 16: five epochs are 15 steps.
        assert last[0]["step"] % 15 == 0
        ends.append(last[0]["step"])
    assert min(ends) < 400
