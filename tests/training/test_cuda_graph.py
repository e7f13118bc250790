"""A training step over static tensors, as a GPU replays it, has the bits of a step written out in plain calls.

A CPU cannot record a graph; the step is called there, and on torch's meta device, where it cannot read a value.
"""

import gc
import logging
import weakref

import pytest
import torch
from easy_trainers import GAMES, SEEDS, rows, trainer_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from parley.features.rows import InMemory, Rows
from parley.game.losses import compute_losses, entropy_weights_at
from parley.game.rng import counter_states, uniforms
from parley.game.types import Images, RandomDraws
from parley.interaction.split_data import Maps
from parley.training.training_data import Blending, TrainImages

STEPS = 5
TORCHS = {"RMSprop": torch.optim.RMSprop, "Adam": torch.optim.Adam, "SGD": torch.optim.SGD}
SCHEDULES = {
    "steps": 8,
    "learning_rate_schedule": "cosine",
    "entropy_schedule": "linear",
    "entropy_final": 0.2,
    "feature_dropout": 0.1,
}


def batch(step):
    return torch.stack([rows(seed, step) for seed in SEEDS])


def written_out(trainer, optimiser, step):
    """A step in plain calls: Python numbers for what changes from step to step, and torch's own optimiser."""
    data, game, training, size = trainer.data, trainer.game, trainer.training, len(batch(step)[0])
    features, context = data.train_images.take(batch(step))
    if training.blend:
        partners, shares = Blending(data.train_target_index).partners(batch(step), seed_states("blend", step))
        features = torch.lerp(data.train_images.take(partners).features, features, shares[..., None])
    features = features.to(trainer.precision)
    for way in trainer.augmentations:
        features = way.apply(features, seed_states(way.purpose, step))
    drawn = uniforms(SEEDS, "bits", step, (game.max_exchanges, size, 2 * game.message_bits + 1))
    flips = uniforms(SEEDS, "flips", step, (game.max_exchanges, size, 2 * game.message_bits))
    images = Images(features, None if context is None else context.to(trainer.precision))
    targets, weights = data.train_target_index[batch(step)], entropy_weights_at(training, step)
    draws = RandomDraws(drawn, flips if game.flip_sender else None)
    loss_step = compute_losses(trainer.agents, images, trainer.descriptions, targets, draws, game, weights)
    groups = trainer.optimiser.networks
    found = iter(torch.autograd.grad(loss_step.losses.total, [one for own in groups for one in own], allow_unused=True))
    flat = trainer.optimiser.flat
    pieces = []
    for own in filter(None, groups):
        given = [(next(found), one) for one in own]
        grad = torch.cat([(torch.zeros_like(one) if grad is None else grad).flatten(1) for grad, one in given], 1)
        norm = grad.norm(dim=1, keepdim=True)
        pieces.append(grad * (training.gradient_clip / (norm + 1e-6)).clamp(max=1.0))
    flat.grad = torch.cat(pieces, 1)
    optimiser.param_groups[0]["lr"] = training.learning_rate * trainer.optimiser.schedule(step)
    optimiser.step()


def seed_states(purpose, step):
    return counter_states(SEEDS, purpose, step)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, list(TORCHS)[place % 3]) for place, name in enumerate(GAMES)] + [("Adaptive", kind) for kind in TORCHS],
)
def test_steps_over_static_tensors_are_those_written_out_to_the_bit(name, kind):
    options = {**SCHEDULES, "optimizer": kind}
    one, other = (trainer_of(name, SEEDS, torch.float32, **options) for _ in range(2))
    reference = TORCHS[kind]([other.optimiser.flat], lr=1.0)
    static = trainer_of(name, SEEDS, torch.float32, **options).inputs(1, batch(1))
    weights = one.optimiser.flat.data_ptr()
    for step in range(1, STEPS + 1):
        static.copy_(one.inputs(step, batch(step)))
        one.step_from_inputs(static)
        written_out(other, reference, step)
        assert torch.equal(one.optimiser.flat, other.optimiser.flat), step
    assert one.optimiser.flat.data_ptr() == weights


def test_all_that_changes_from_step_to_step_is_in_the_inputs():
    """The inputs of a step give the same result twice: no counter exists besides them."""
    options = {**SCHEDULES, "optimizer": "Adam"}
    one, other = (trainer_of("flips", SEEDS, torch.float64, **options) for _ in range(2))
    inputs = [one.inputs(step, batch(step)) for step in (1, 2, 3)]
    later = [trainer_of("flips", SEEDS, torch.float64, **options).inputs(step, batch(step)) for step in (2, 3)]
    for three in inputs:
        one.step_from_inputs(three)
        other.step_from_inputs(three)
    assert torch.equal(one.optimiser.flat, other.optimiser.flat)
    assert not torch.equal(inputs[0].weights, inputs[1].weights)
    assert not torch.equal(inputs[1].states, inputs[2].states)
    assert torch.equal(later[0].states, inputs[1].states)


class NoTransfers(TorchDispatchMode):
    """Raise for operations that use tensors of different devices or move a tensor to another device."""

    def __torch_dispatch__(self, function, types, arguments=(), names=None):
        found = function(*arguments, **(names or {}))
        tensors = [leaf for leaf in tree_leaves((arguments, names, found)) if isinstance(leaf, torch.Tensor)]
        if len({tensor.device.type for tensor in tensors}) > 1:
            raise AssertionError(f"{function} takes a tensor from one device to another")
        return found


@pytest.mark.parametrize("name", GAMES)
def test_a_step_uses_no_tensor_of_the_cpu_and_reads_no_value(name, monkeypatch):
    monkeypatch.setattr("parley.training.trainer.device_of", lambda training: torch.device("meta"))
    trainer = trainer_of(name, SEEDS, torch.float32, **SCHEDULES)
    inputs = trainer.inputs(1, batch(1)).to(torch.device("meta"))
    with NoTransfers():
        counted = trainer.step_from_inputs(inputs)
    assert counted.device.type == "meta"


@pytest.mark.parametrize("step", [lambda one: one.to("meta"), lambda one: one * torch.ones(2, device="meta")])
def test_the_check_for_transfers_can_fail(step):
    with NoTransfers(), pytest.raises(AssertionError, match="from one device to another"):
        step(torch.tensor(1.0))


def test_a_trainer_is_freed_with_its_last_reference():
    """With a graph it uses much of a GPU's memory: no reference cycle may keep it."""
    trainer = trainer_of("Adaptive", SEEDS, torch.float32)
    trainer.train_step(1, batch(1))
    gone = weakref.ref(trainer)
    gc.disable()
    try:
        del trainer
        assert gone() is None
    finally:
        gc.enable()


class OnSomeDisk(Rows):
    """Rows that are not in memory."""

    shape = (4, 3, 2, 2)

    def take(self, rows):
        return torch.zeros(*rows.shape, *self.shape[1:])


def test_maps_move_in_their_stored_dtype_and_become_float32_batch_by_batch():
    halves, scale = torch.randn(4, 3, 2, 2).half(), torch.rand(3) + 1
    maps, targets = Maps(InMemory(halves), torch.randn(4, 5), scale, scale), torch.arange(4)
    moved = TrainImages(maps, targets, False, torch.device("meta"))
    assert moved.on_device
    assert isinstance(moved.images, Maps)
    assert moved.images.rows.values.dtype == torch.float16
    taken = moved.take(torch.zeros(2, 3, dtype=torch.int64, device="meta"), {})
    assert taken.features.shape == (2, 3, 4, 3)
    assert {part.device.type for part in taken} == {"meta"}
    assert {part.dtype for part in taken} == {torch.float32}


def test_maps_on_disk_are_not_copied_to_the_device(caplog):
    caplog.set_level(logging.INFO)
    maps = Maps(OnSomeDisk(), torch.randn(4, 5))
    staying = TrainImages(maps, torch.arange(4), True, torch.device("meta"))
    assert not staying.on_device
    assert staying.images is maps
    assert caplog.messages == [
        "The train split's images are read from their file, and each batch is copied to the GPU."
    ]
    caplog.clear()
    here = TrainImages(maps, torch.arange(4), False, torch.device("cpu"))
    assert here.images is maps
    assert not caplog.messages
