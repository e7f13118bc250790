"""On a GPU: replaying a step as a CUDA graph gives the same bits as taking it.

Skipped if torch finds no GPU.
"""

import gc
import logging

import pytest
import torch
from easy_trainers import GAMES, SEEDS, trainer_of
from gpu_steps import NO_GRAPH, SCHEDULES, STEPS, batch, graphed, same_bits, weights_of

from parley.training.cuda_graph import WARM_UP

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
KINDS = ["RMSprop", "Adam", "SGD"]


def both(name, precision, **options):
    """Two equal trainers: one replays graphs, the other does not."""
    return [
        trainer_of(name, SEEDS, precision, "cuda", cuda_graphs=graphs, **{**SCHEDULES, **options})
        for graphs in (True, False)
    ]


@pytest.mark.parametrize("precision", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "RMSprop") for name in GAMES), *(("Adaptive", kind) for kind in KINDS[1:])]
)
def test_replayed_steps_give_the_same_bits(name, kind, precision):
    one, other = both(name, precision, optimizer=kind)
    for step in range(1, STEPS + 1):
        counted, expected = (trainer.train_step(step, batch(step)) for trainer in (one, other))
        assert graphed(one) == (step > WARM_UP)
        assert not graphed(other)
        if precision is torch.float64:  # first, to see differences larger than rounding
            torch.testing.assert_close(counted, expected, rtol=0, atol=1e-9)
        same_bits(counted, expected)
    same_bits(weights_of(one), weights_of(other))
    for name, value in one.optimiser.rule.state.items():
        same_bits(value, other.optimiser.rule.state[name])


def test_evaluations_and_checkpoints_between_replays_change_nothing():
    one, other = both("attention", torch.float32)
    for step in range(1, STEPS + 1):
        one.train_step(step, batch(step))
        other.train_step(step, batch(step))
        if step % 3 == 0:
            played = one.evaluate_dev(2)
            assert all(score is not None for _, score in played)
            for run in range(len(SEEDS)):
                mine, its = one.checkpoint(run, step), other.checkpoint(run, step)
                for far, near in zip(mine.agents, its.agents, strict=True):
                    for name, value in far.state_dict().items():
                        same_bits(value, near.state_dict()[name])
                for name, value in mine.optimiser.items():
                    same_bits(value, its.optimiser[name])
    assert graphed(one)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_continues_from_loaded_checkpoints(kind):
    one, other = both("Adaptive", torch.float32, optimizer=kind)
    for step in range(1, 8):
        one.train_step(step, batch(step))
    checkpoints = [one.checkpoint(run, 7) for run in range(len(SEEDS))]
    for step in range(8, 12):
        one.train_step(step, batch(step))
    assert graphed(one)
    assert one.load(checkpoints) == other.load(checkpoints) == 7
    for step in range(8, 16):
        same_bits(one.train_step(step, batch(step)), other.train_step(step, batch(step)))
    same_bits(weights_of(one), weights_of(other))


def test_a_seed_that_diverges_leaves_the_others_as_they_are():
    spoilt, whole = (trainer_of("Adaptive", SEEDS, torch.float32, "cuda", **SCHEDULES) for _ in range(2))
    for step in range(1, STEPS + 1):
        if step == 8:
            spoilt.optimiser.flat.data[1] = torch.nan
        counted, expected = (trainer.train_step(step, batch(step)) for trainer in (spoilt, whole))
        if step >= 8:
            assert counted[0, 1].isnan()
        same_bits(counted[:, [0, 2]], expected[:, [0, 2]])
    assert graphed(spoilt)
    assert weights_of(spoilt)[1].isnan().all()
    same_bits(weights_of(spoilt)[[0, 2]], weights_of(whole)[[0, 2]])


@pytest.mark.parametrize("name", GAMES)
def test_a_graph_works_with_deterministic_algorithms_and_gives_the_same_bits(name):
    torch.use_deterministic_algorithms(True)
    try:
        one, other = both(name, torch.float32)
        for step in range(1, STEPS + 1):
            same_bits(one.train_step(step, batch(step)), other.train_step(step, batch(step)))
    finally:
        torch.use_deterministic_algorithms(False)
    assert graphed(one)
    # No sum in a step depends on its order, so the result is the same without deterministic algorithms.
    free = both(name, torch.float32)[0]
    for step in range(1, STEPS + 1):
        free.train_step(step, batch(step))
    same_bits(weights_of(free), weights_of(one))


def memory_held():
    """Bytes of tensors, and the memory pools of graphs, without the workspaces of libraries."""
    torch.cuda.synchronize()
    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()  # one for each stream ever used; it has no public API
    torch.cuda.empty_cache()
    pools = {tuple(segment["segment_pool_id"]) for segment in torch.cuda.memory_snapshot()}
    return torch.cuda.memory_allocated(), pools


def test_replays_allocate_nothing_and_all_memory_is_freed_with_the_trainer():
    trainer_of("Adaptive", SEEDS, torch.float32, "cuda").train_step(1, batch(1))
    before = memory_held()
    trainer = trainer_of("Adaptive", SEEDS, torch.float32, "cuda")
    for step in range(1, 10):
        trainer.train_step(step, batch(step))
    assert graphed(trainer)
    torch.cuda.synchronize()
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for step in range(10, 200):
        trainer.train_step(step, batch(step))
    torch.cuda.synchronize()
    assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == (allocated, reserved)
    pools = {tuple(segment["segment_pool_id"]) for segment in torch.cuda.memory_snapshot()}
    assert len(pools - before[1]) == 1
    del trainer
    assert memory_held() == before


def test_with_checks_no_graph_is_recorded(caplog):
    caplog.set_level(logging.INFO)
    trainer = trainer_of("Adaptive", SEEDS, torch.float32, "cuda", checks=True)
    trainer.train_step(1, batch(1))
    assert trainer.graphed_step is None
    assert [text for text in caplog.messages if text.startswith(NO_GRAPH)] == [
        "CUDA graphs are not used because training.checks reads the values of each step. "
        "Training steps will take several times as long."
    ]
