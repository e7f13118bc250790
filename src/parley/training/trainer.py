"""The networks of S runs, with what teaches and what examines them."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.agents import Agents, agents_of_seed, copy_seed, make_agents
from parley.game.channel import needs_flip_noise
from parley.game.losses import EntropyWeights, LossStep, compute_losses, dialogue_lengths, entropy_weights_at
from parley.game.rng import counter_states, uniforms_from
from parley.game.settings import GameSettings, TrainingSettings
from parley.game.types import Descriptions, Images, RandomDraws
from parley.interaction.run import DevResult, ImageDataset, RolloutInputs, evaluate_batches
from parley.training.checkpoint import Checkpoint
from parley.training.cuda_graph import GraphedStep, StepInputs
from parley.training.optimizer import Optimiser
from parley.training.sanity_checks import check_step
from parley.training.training_data import TrainImages, TrainingData, augmentations

logger = logging.getLogger(__name__)


class StepMetrics(NamedTuple):
    """What is counted of each step, ``[S]`` each: means over the batch."""

    loss_sender: Tensor
    loss_receiver: Tensor
    loss_sender_baseline: Tensor
    loss_receiver_baseline: Tensor
    nll: Tensor
    reward: Tensor
    accuracy: Tensor
    length: Tensor

    @staticmethod
    def names() -> list[str]:
        """Return what the log calls them."""
        return ["accuracy@1" if name == "accuracy" else name for name in StepMetrics._fields]


class Trainer:
    """The four networks of S runs with their optimiser.

    Parameters
    ----------
    data
        What they learn from.
    game, training
        Settings, the same for all.
    seeds
        One a run: decides its initial weights and every draw.
    precision
        Of the arithmetic.
    """

    def __init__(
        self,
        data: TrainingData,
        game: GameSettings,
        training: TrainingSettings,
        seeds: Sequence[int],
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.data, self.game, self.training, self.seeds = data, game, training, list(seeds)
        self.precision, self.device = precision, device_of(training)
        self.agents = self._fresh(self.seeds).to(precision).to(self.device)
        learning = {name: one for name, one in self.agents._asdict().items() if name not in training.frozen}
        for name in training.frozen:
            getattr(self.agents, name).requires_grad_(False)
        self.optimiser = Optimiser(learning, training)
        self.descriptions = self._moved(data.descriptions)
        self.dev_descriptions = self._moved(data.dev_descriptions)
        self.places = data.train_target_index.to(self.device)
        self.augmentations = augmentations(training)
        self.images = TrainImages(data.train_images, data.train_target_index, training.blend, self.device)
        self.purposes = [way.purpose for way in (*self.augmentations, self.images.blending) if way is not None]
        self.purposes += ["bits", *(["flips"] if needs_flip_noise(game, training=True) else [])]
        self.graphed_step = self._make_graphed_step()

    def _fresh(self, seeds: list[int]) -> Agents:
        sizes = self.data.sizes
        return make_agents(self.game, sizes.feature, sizes.word, seeds, sizes.context)

    def _moved(self, descriptions: Descriptions) -> Descriptions:
        vectors, words, is_word = descriptions
        words = None if words is None else words.to(self.device, self.precision)
        is_word = None if is_word is None else is_word.to(self.device)
        return Descriptions(vectors.to(self.device, self.precision), words, is_word)

    def train_step(self, step: int, rows: Tensor) -> Tensor:
        """Learn from one batch a seed, the given rows ``[S, B]`` of the train part.

        Returns
        -------
        Tensor
            ``[counts, S]``, in the order of `StepMetrics`. Nothing here waits for a GPU.
        """
        inputs = self.inputs(step, rows)
        if self.graphed_step is not None:
            return self.graphed_step.step(self.step_from_inputs, inputs)
        there = inputs.to(self.device)
        loss_step, counted = self._train_on(there, self._take_images(there if self.images.on_device else inputs))
        if self.training.checks:
            check_step(loss_step, self.agents, self.game, self.seeds, step)
        return counted

    def inputs(self, step: int, rows: Tensor) -> StepInputs:
        """Count a step, and return all that tells it from others, on the CPU; to be taken once."""
        states = torch.stack([counter_states(self.seeds, purpose, step) for purpose in self.purposes])
        weights = [*entropy_weights_at(self.training, step), *self.optimiser.step_coefficients(step)]
        return StepInputs(rows, states, torch.tensor(weights, dtype=self.precision))

    def step_from_inputs(self, inputs: StepInputs) -> Tensor:
        """Learn as `learn` does, from inputs that lie where the images and the networks do.

        What it does depends on nothing but them and on tensors that stay where they are: it can be recorded.
        """
        return self._train_on(inputs, self._take_images(inputs))[1]

    def _train_on(self, inputs: StepInputs, images: Images) -> tuple[LossStep, Tensor]:
        states = self._states(inputs)
        images = _to(images, self.device, self.precision)
        for augmentation in self.augmentations:
            images = images._replace(features=augmentation.apply(images.features, states[augmentation.purpose]))
        places, draws = self.places[inputs.rows], self._draws(states, inputs.rows.shape[1])
        bonus, coefficients = (
            inputs.weights[: len(EntropyWeights._fields)],
            inputs.weights[len(EntropyWeights._fields) :],
        )
        entropy_weights = EntropyWeights(*bonus.unbind())
        loss_step = compute_losses(self.agents, images, self.descriptions, places, draws, self.game, entropy_weights)
        self.optimiser.apply(loss_step.losses.total, coefficients)
        return loss_step, torch.stack(_step_metrics(loss_step, places))

    def _take_images(self, inputs: StepInputs) -> Images:
        return self.images.take(inputs.rows, self._states(inputs))

    def _states(self, inputs: StepInputs) -> dict[str, Tensor]:
        return dict(zip(self.purposes, inputs.states, strict=True))

    def draws(self, step: int, batch: int) -> RandomDraws:
        """Return the random numbers of a step: each seed's own, whoever trains beside it."""
        return self._draws(
            {name: counter_states(self.seeds, name, step).to(self.device) for name in self.purposes}, batch
        )

    def _draws(self, states: dict[str, Tensor], batch: int) -> RandomDraws:
        exchanges, bits = self.game.max_exchanges, self.game.message_bits
        flips = uniforms_from(states["flips"], (exchanges, batch, 2 * bits)) if "flips" in states else None
        return RandomDraws(uniforms_from(states["bits"], (exchanges, batch, 2 * bits + 1)), flips)

    def _make_graphed_step(self) -> GraphedStep | None:
        """Return what replays steps on a GPU; where it cannot, the log says why."""
        if self.device.type != "cuda" or not self.training.cuda_graphs:
            return None
        hindrances = {
            "training.checks looks at each step's values": self.training.checks,
            "the images are not on the GPU": not self.images.on_device,
        }
        if why := [reason for reason, hinders in hindrances.items() if hinders]:
            logger.info(
                "No CUDA graph is made of a step, so that each takes several times as long: %s.", " and ".join(why)
            )
            return None
        return GraphedStep()

    def evaluate_dev(self, k: int, shown: Sequence[int] = ()) -> list[DevResult]:
        """Play the dev part; return of each seed what came of it, and what was said about the images to be shown."""
        data = self.data
        setup = RolloutInputs(
            self.agents,
            _As(data.dev_images, self.precision),
            data.dev_target_index,
            self.dev_descriptions,
            self.game,
            self.training.dev_batch_size,
        )
        return evaluate_batches(setup, k, shown)

    def checkpoint(self, place: int, step: int) -> Checkpoint:
        """Return all that a checkpoint keeps of one of the seeds."""
        data, seed = self.data, self.seeds[place]
        alone = agents_of_seed(self.agents, place, self._fresh([seed]).to(self.precision))
        memory = {name: value.cpu() for name, value in self.optimiser.state_of(place).items()}
        return Checkpoint(
            alone, data.standardizer, self.game, self.training, data.sizes, data.candidate_ids, seed, step, memory
        )

    def load(self, checkpoints: Sequence[Checkpoint]) -> int:
        """Take over what checkpoints of these runs hold, one a seed, and return their step."""
        for place, checkpoint in enumerate(checkpoints):
            for network, before in zip(self.agents, checkpoint.agents, strict=True):
                copy_seed(before, 0, network, place)
        self.optimiser.load([checkpoint.optimiser for checkpoint in checkpoints])
        return checkpoints[0].step


class _As(NamedTuple):
    """Images in another precision."""

    images: ImageDataset
    precision: torch.dtype

    def take(self, rows: Tensor) -> Images:
        return _to(self.images.take(rows), torch.device("cpu"), self.precision)


def _to(images: Images, device: torch.device, precision: torch.dtype) -> Images:
    features, context = (None if part is None else part.to(device, precision, non_blocking=True) for part in images)
    assert features is not None  # they have some
    return Images(features, context)


def device_of(training: TrainingSettings) -> torch.device:
    """Return the device to train on; a GPU that is asked for and not there is told."""
    there = torch.cuda.is_available()
    if training.device == "cuda" and not there:
        raise ParleyError("training.device is cuda, but torch finds no GPU here; set it to cpu or auto.")
    return torch.device("cuda" if training.device != "cpu" and there else "cpu")


@torch.no_grad()
def _step_metrics(loss_step: LossStep, places: Tensor) -> StepMetrics:
    found, scores = loss_step.losses, loss_step.replay.final_scores
    # As in `ranks`, a target that ties with another candidate counts as wrong.
    own = scores.gather(-1, places[..., None])
    right = ((scores >= own).sum(-1) <= 1).to(scores.dtype).mean(-1)
    length = dialogue_lengths(loss_step.packed).mean(-1)
    learned = (found.sender, found.receiver, found.sender_baseline, found.receiver_baseline)
    sender, receiver, sender_baseline, receiver_baseline = (loss.detach() for loss in learned)
    nll, reward = found.nll.mean(-1), found.reward.mean(-1)
    return StepMetrics(sender, receiver, sender_baseline, receiver_baseline, nll, reward, right, length)
