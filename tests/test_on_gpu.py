"""On a GPU: the numbers of a CPU up to rounding, no step that waits for it, and runs that go on after a kill.

They are skipped where torch finds none.
"""

import pytest
import torch
from easy_runs import run, run_all
from easy_trainers import GAMES, SEEDS, rows, trainer_of
from test_unfinished import left_by

from parley.trainer import Trainer
from parley.unfinished import Unfinished

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
STEPS = 20


def batch(step, seeds=SEEDS):
    return torch.stack([rows(seed, step) for seed in seeds])


@pytest.mark.parametrize("name", GAMES)
def test_steps_in_float64_are_those_of_a_cpu(name):
    there, here = (trainer_of(name, SEEDS, torch.float64, device) for device in ("cuda", "cpu"))
    assert there.device.type == "cuda"
    for step in range(1, STEPS + 1):
        counted, expected = there.learn(step, batch(step)), here.learn(step, batch(step))
        torch.testing.assert_close(counted.cpu(), expected, rtol=0, atol=1e-8)
    for far, near in zip(there.agents, here.agents, strict=True):
        for a, b in zip(far.parameters(), near.parameters(), strict=True):
            torch.testing.assert_close(a.cpu(), b, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", GAMES)
def test_no_step_waits_for_the_gpu(name):
    trainer = trainer_of(name, SEEDS, torch.float32, "cuda")
    for step in range(1, 4):
        trainer.learn(step, batch(step))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(4, 8):
            trainer.learn(step, batch(step))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_runs_of_several_seeds_go_on_where_they_were_to_the_same_bytes(tmp_path, monkeypatch):
    seeds = [1, 2, 3]
    settings = {"device": "cuda", "deterministic": True}
    folders = {name: [tmp_path / name / str(seed) for seed in seeds] for name in ("whole", "broken")}
    run_all(folders["whole"], 16, seeds, **settings)

    class KilledError(Exception):
        pass

    learn = Trainer.learn

    def learn_until(trainer, step, rows):
        if step == 11:
            raise KilledError
        return learn(trainer, step, rows)

    monkeypatch.setattr(Trainer, "learn", learn_until)
    with pytest.raises(KilledError):
        run_all(folders["broken"], 16, seeds, **settings)
    monkeypatch.setattr(Trainer, "learn", learn)
    assert Unfinished(folders["broken"], "").load().moments[0].step == 8
    run_all(folders["broken"], 16, seeds, **settings)
    for whole, broken in zip(folders["whole"], folders["broken"], strict=True):
        assert left_by(whole) == left_by(broken)


def test_a_run_learns_there(tmp_path):
    lines = run(tmp_path / "run", steps=200, device="cuda", dev_every=100)
    assert [line for line in lines if line["kind"] == "dev"][-1]["accuracy@1"] > 0.6
