"""On a GPU: the numbers of a CPU up to rounding, steps without synchronisation, and runs that resume.

Skipped if torch finds no GPU.
"""

import logging

import pytest
import torch
from easy_runs import left_by, run, run_all
from easy_trainers import GAMES, SEEDS, trainer_of, training_data_of
from gpu_steps import NO_GRAPH, SCHEDULES, STEPS, batch, graphed, same_bits, weights_of

from parley.features.rows import InMemory
from parley.game.rng import counter_states
from parley.game.settings import GameSettings
from parley.interaction.split_data import Maps
from parley.training import loop, training_data
from parley.training.cuda_graph import WARM_UP
from parley.training.resume import ResumableRuns
from parley.training.trainer import Trainer
from parley.training.training_data import TrainImages

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


@pytest.mark.parametrize("graphs", [True, False], ids=["graphs", "no graphs"])
@pytest.mark.parametrize("name", GAMES)
def test_steps_in_float64_are_those_of_a_cpu(name, graphs):
    # Blending is always in float32, and rounding differs between devices.
    there, here = (
        trainer_of(name, SEEDS, torch.float64, device, cuda_graphs=graphs, blend=False) for device in ("cuda", "cpu")
    )
    assert there.device.type == "cuda"
    for step in range(1, STEPS + 1):
        counted, expected = there.train_step(step, batch(step)), here.train_step(step, batch(step))
        torch.testing.assert_close(counted.cpu(), expected, rtol=0, atol=1e-8)
    assert graphed(there) == graphs
    for far, near in zip(there.agents, here.agents, strict=True):
        for a, b in zip(far.parameters(), near.parameters(), strict=True):
            torch.testing.assert_close(a.cpu(), b, rtol=0, atol=1e-8)


@pytest.mark.parametrize("graphs", [True, False], ids=["graphs", "no graphs"])
@pytest.mark.parametrize("name", GAMES)
def test_no_step_waits_for_the_gpu(name, graphs):
    trainer = trainer_of(name, SEEDS, torch.float32, "cuda", cuda_graphs=graphs)
    first = WARM_UP + 2
    for step in range(1, first):
        trainer.train_step(step, batch(step))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(first, first + 5):
            trainer.train_step(step, batch(step))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert graphed(trainer) == graphs


def maps():
    draw = torch.Generator().manual_seed(7)
    stored = torch.randn(48, 16, 2, 2, generator=draw).half()
    mean, sd = torch.randn(16, generator=draw), torch.rand(16, generator=draw) + 0.5
    return Maps(InMemory(stored), torch.randn(48, 7, generator=draw), mean, sd)


@pytest.mark.parametrize("kind", ["vectors", "maps"])
def test_images_taken_on_the_gpu_have_the_bits_of_those_taken_on_the_cpu(kind):
    images = maps() if kind == "maps" else training_data_of(GameSettings()).train_images
    near, far = (TrainImages(images, torch.arange(48) % 4, False, torch.device(name)) for name in ("cpu", "cuda"))
    assert far.on_device
    if kind == "maps":
        assert far.images.rows.values.dtype == torch.float16
    there = far.take(batch(1).cuda(), {})
    for mine, its in zip(there, near.take(batch(1), {}), strict=True):
        assert (mine is None) == (its is None)
        if mine is not None:
            assert mine.device.type == "cuda"
            same_bits(mine.cpu(), its)


def test_images_blended_on_the_gpu_are_those_of_the_cpu_up_to_the_last_bits():
    images = training_data_of(GameSettings()).train_images
    near, far = (TrainImages(images, torch.arange(48) % 4, True, torch.device(name)) for name in ("cpu", "cuda"))
    states = {"blend": counter_states(SEEDS, "blend", 1)}
    mine = far.take(batch(1).cuda(), {"blend": states["blend"].cuda()}).features.cpu()
    torch.testing.assert_close(mine, near.take(batch(1), states).features, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["Adaptive", "attention", "Fixed"])
def test_images_that_do_not_fit_stay_on_the_cpu_and_results_are_the_same(name, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    there = trainer_of(name, SEEDS, torch.float32, "cuda", **SCHEDULES)
    assert there.images.on_device
    assert not caplog.messages
    monkeypatch.setattr(training_data, "SHARE_OF_FREE", 0.0)
    here = trainer_of(name, SEEDS, torch.float32, "cuda", **SCHEDULES)
    assert here.graphed_step is None
    assert "stay in the computer's memory" in caplog.messages[0]
    assert caplog.messages[1].startswith(NO_GRAPH)
    for step in range(1, STEPS + 1):
        counted, expected = there.train_step(step, batch(step)), here.train_step(step, batch(step))
        if name != "Fixed":
            same_bits(counted, expected)
        elif step == 1:  # rounding of blended images differs between devices
            torch.testing.assert_close(counted, expected, rtol=0, atol=1e-4)
    assert graphed(there)


@pytest.mark.parametrize("deterministic", [True, False], ids=["deterministic", "free"])
def test_runs_of_several_seeds_resume_and_give_the_same_bytes(tmp_path, monkeypatch, caplog, deterministic):
    seeds = [1, 2, 3]
    settings = {"device": "cuda", "deterministic": deterministic}
    folders = {name: [tmp_path / name / str(seed) for seed in seeds] for name in ("whole", "broken", "no graphs")}
    run_all(folders["whole"], 16, seeds, **settings)
    run_all(folders["no graphs"], 16, seeds, **settings, cuda_graphs=False)

    class KilledError(Exception):
        pass

    learn = Trainer.train_step

    def learn_until(trainer, step, rows):
        if step == 11:
            assert graphed(trainer)
            raise KilledError
        return learn(trainer, step, rows)

    monkeypatch.setattr(Trainer, "train_step", learn_until)
    with pytest.raises(KilledError):
        run_all(folders["broken"], 16, seeds, **settings)
    monkeypatch.setattr(Trainer, "train_step", learn)
    assert ResumableRuns(folders["broken"], "").load().checkpoints[0].step == 8
    run_all(folders["broken"], 16, seeds, **settings)
    for whole, broken, plain in zip(*folders.values(), strict=True):
        assert left_by(whole) == left_by(broken)
        assert left_by(whole) == left_by(plain)
    assert not [text for text in caplog.messages if text.startswith(NO_GRAPH)]


def test_runs_saved_between_two_lines_of_their_logs_resume_and_give_the_same_bytes(tmp_path, monkeypatch):
    """Metrics since the last line are saved with them."""
    settings = {"device": "cuda", "dev_every": 40, "first_checkpoint": 16}
    whole, broken = ([tmp_path / name / str(seed) for seed in SEEDS] for name in ("whole", "broken"))
    run_all(whole, 16, SEEDS, **settings)
    learn = Trainer.train_step

    def learn_until(trainer, step, rows):
        if step == 11:
            raise KeyboardInterrupt
        return learn(trainer, step, rows)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "SAVED_EVERY_S", 0.0)
        patched.setattr(Trainer, "train_step", learn_until)
        with pytest.raises(KeyboardInterrupt):
            run_all(broken, 16, SEEDS, **settings)
    saved = ResumableRuns(broken, "").load()
    assert (saved.checkpoints[0].step, len(saved.loss_window)) == (10, 2)
    run_all(broken, 16, SEEDS, **settings)
    assert [left_by(folder) for folder in whole] == [left_by(folder) for folder in broken]


def test_a_run_learns_on_a_gpu(tmp_path):
    lines = run(tmp_path / "run", steps=200, device="cuda", dev_every=100)
    assert [line for line in lines if line["kind"] == "dev"][-1]["accuracy@1"] > 0.6


def test_a_checkpoint_of_a_cpu_continues_on_a_gpu_and_back():
    """Checkpoints do not depend on the device."""
    near, far = (trainer_of("Adaptive", SEEDS, torch.float64, device) for device in ("cpu", "cuda"))
    for step in range(1, 7):
        near.train_step(step, batch(step))
    far.load([near.checkpoint(run, 6) for run in range(len(SEEDS))])
    for step in range(7, 13):
        counted, expected = far.train_step(step, batch(step)), near.train_step(step, batch(step))
        torch.testing.assert_close(counted.cpu(), expected, rtol=0, atol=1e-8)
    back = trainer_of("Adaptive", SEEDS, torch.float64, "cpu")
    assert back.load([far.checkpoint(run, 12) for run in range(len(SEEDS))]) == 12
    torch.testing.assert_close(weights_of(back), weights_of(far).cpu(), rtol=0, atol=0)
