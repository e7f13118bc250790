"""On a GPU: a step that is replayed as a CUDA graph comes to the bits of one that is not, whatever happens in between.

They are skipped where torch finds no GPU.
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
    """Trainers of the same, of which one replays graphs and one does not."""
    return [
        trainer_of(name, SEEDS, precision, "cuda", cuda_graphs=graphs, **{**SCHEDULES, **options})
        for graphs in (True, False)
    ]


@pytest.mark.parametrize("precision", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "RMSprop") for name in GAMES), *(("Adaptive", kind) for kind in KINDS[1:])]
)
def test_replayed_steps_come_to_the_bits_of_others(name, kind, precision):
    one, other = both(name, precision, optimizer=kind)
    for step in range(1, STEPS + 1):
        counted, expected = (trainer.train_step(step, batch(step)) for trainer in (one, other))
        assert graphed(one) == (step > WARM_UP)
        assert not graphed(other)
        if precision is torch.float64:  # First: what is wrong by more than rounding.
            torch.testing.assert_close(counted, expected, rtol=0, atol=1e-9)
        same_bits(counted, expected)
    same_bits(weights_of(one), weights_of(other))
    for name, value in one.optimiser.rule.state.items():
        same_bits(value, other.optimiser.rule.state[name])


def test_evaluations_and_checkpoints_between_replays_disturb_nothing():
    one, other = both("attention", torch.float32)
    for step in range(1, STEPS + 1):
        one.train_step(step, batch(step))
        other.train_step(step, batch(step))
        if step % 3 == 0:
            played = one.evaluate_dev(2)
            assert all(score is not None for _, score in played)
            for place in range(len(SEEDS)):
                mine, its = one.checkpoint(place, step), other.checkpoint(place, step)
                for far, near in zip(mine.agents, its.agents, strict=True):
                    for name, value in far.state_dict().items():
                        same_bits(value, near.state_dict()[name])
                for name, value in mine.optimiser.items():
                    same_bits(value, its.optimiser[name])
    assert graphed(one)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_goes_on_from_what_is_gone_back_to(kind):
    one, other = both("Adaptive", torch.float32, optimizer=kind)
    for step in range(1, 8):
        one.train_step(step, batch(step))
    checkpoints = [one.checkpoint(place, 7) for place in range(len(SEEDS))]
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
def test_a_graph_is_made_where_algorithms_must_be_deterministic_and_comes_to_the_same(name):
    torch.use_deterministic_algorithms(True)
    try:
        one, other = both(name, torch.float32)
        for step in range(1, STEPS + 1):
            same_bits(one.train_step(step, batch(step)), other.train_step(step, batch(step)))
    finally:
        torch.use_deterministic_algorithms(False)
    assert graphed(one)
    # Nothing in a step depends on the order of sums, so that all comes to the same without being asked for it.
    free = both(name, torch.float32)[0]
    for step in range(1, STEPS + 1):
        free.train_step(step, batch(step))
    same_bits(weights_of(free), weights_of(one))


def memory_held():
    """Bytes that tensors hold, and the pools of memory that graphs hold; workspaces of libraries left out."""
    torch.cuda.synchronize()
    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()  # One for each stream that was ever used, with no public name.
    torch.cuda.empty_cache()
    pools = {tuple(segment["segment_pool_id"]) for segment in torch.cuda.memory_snapshot()}
    return torch.cuda.memory_allocated(), pools


def test_replays_keep_no_memory_and_all_is_given_back_in_the_end():
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


def test_checks_are_made_without_a_graph_and_the_log_says_so(caplog):
    caplog.set_level(logging.INFO)
    trainer = trainer_of("Adaptive", SEEDS, torch.float32, "cuda", checks=True)
    trainer.train_step(1, batch(1))
    assert trainer.graphed_step is None
    assert [text for text in caplog.messages if text.startswith(NO_GRAPH)] == [
        "No CUDA graph: training steps take several times as long, because training.checks looks at each step's values."
    ]
