"""Trainer of S runs, which takes training steps, evaluates on the dev split, and creates and loads checkpoints."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.agents import BASELINES, RECEIVERS, SENDERS, Agents, copy_seed, make_agents
from parley.game.channel import CHANNELS, needs_flip_noise
from parley.game.losses import REWARDS, EntropyWeights, LossStep, compute_losses, dialogue_lengths, entropy_weights_at
from parley.game.rng import counter_states, uniforms_from
from parley.game.settings import GameSettings, TrainingSettings
from parley.game.types import Descriptions, Images, RandomDraws
from parley.interaction.run import DevResult, RolloutInputs, evaluate_batches, flip_shape, to_device
from parley.training.checkpoint import Checkpoint
from parley.training.cuda_graph import GraphedStep, StepInputs
from parley.training.optimizer import Optimiser
from parley.training.plugin_checks import no_random_numbers, parts_of_plugins
from parley.training.sanity_checks import check_step
from parley.training.training_data import TrainImages, TrainingData, augmentations

logger = logging.getLogger(__name__)
METRICS = (*(f"loss_{name}" for name in Agents._fields), "nll", "reward", "accuracy@1", "accuracy@k", "length")
"""Names of a training step's metrics, as written to the log."""


class Trainer:
    """Trainer of S runs that differ only in their seed, with the runs' agents and optimiser.

    Parameters
    ----------
    data
        Training data, as returned by `build_training_data`.
    game, training
        Settings of the game and of the training, the same for all runs.
    seeds
        Seed of each run. It determines the run's initial weights and all its random numbers.
    precision
        Floating-point dtype of the weights and of all computations.
    k
        The K of accuracy@K of training batches, unless `training.k` is set.
    """

    def __init__(
        self,
        data: TrainingData,
        game: GameSettings,
        training: TrainingSettings,
        seeds: Sequence[int],
        precision: torch.dtype = torch.float32,
        k: int = 1,
    ) -> None:
        self.data, self.game, self.training, self.seeds = data, game, training, list(seeds)
        self.precision, self.device, self.k = precision, device_of(training), training.k or k
        self.agents = self._new_agents(self.seeds).to(self.device)
        trainable = {name: network for name, network in self.agents._asdict().items() if name not in training.frozen}
        for name in training.frozen:
            getattr(self.agents, name).requires_grad_(False)
        self.optimiser = Optimiser(trainable, training)
        self.descriptions = self._to_device(data.descriptions)
        self.dev_descriptions = self._to_device(data.dev_descriptions)
        self.target_index = data.train_target_index.to(self.device)
        self.augmentations = augmentations(training)
        self.images = TrainImages(data.train_images, data.train_target_index, training.blend, self.device)
        self.purposes = [each.purpose for each in (*self.augmentations, self.images.blending) if each is not None]
        self.purposes += ["bits", *(["flips"] if needs_flip_noise(game, training=True) else [])]
        self.graphed_step = self._make_graphed_step()
        self.unchecked_parts = parts_of_plugins(game, training)
        """Parts of plug-ins that may draw random numbers, until the first step has shown that they do not."""

    def _new_agents(self, seeds: list[int]) -> Agents:
        sizes = self.data.sizes
        return make_agents(self.game, sizes.feature, sizes.word, seeds, sizes.context).to(self.precision)

    def _to_device(self, descriptions: Descriptions) -> Descriptions:
        vectors, words, is_word = descriptions
        words = None if words is None else words.to(self.device, self.precision)
        is_word = None if is_word is None else is_word.to(self.device)
        return Descriptions(vectors.to(self.device, self.precision), words, is_word)

    def train_step(self, step: int, rows: Tensor) -> Tensor:
        """Train every run on one batch.

        Parameters
        ----------
        step
            Number of the step, from 1.
        rows
            ``[S, B]`` int64: row indices, in the train split, of the images in each run's batch.

        Returns
        -------
        Tensor
            ``[metrics, S]``: means over the batch, in the order of `METRICS`. The tensor stays on the device, so that
            the CPU need not wait for the GPU.
        """
        inputs = self.inputs(step, rows)
        if self.graphed_step is not None:
            return self.graphed_step.step(self.step_from_inputs, inputs)
        inputs_on_device = inputs.to(self.device)
        parts, self.unchecked_parts = self.unchecked_parts, []
        with no_random_numbers(parts, self.device) if parts else nullcontext():
            images = self._take_images(inputs_on_device if self.images.on_device else inputs)
            loss_step, metrics = self._step(inputs_on_device, images)
        if self.training.checks:
            check_step(loss_step, self.agents, self.game, self.seeds, step)
        return metrics

    def _step(self, inputs: StepInputs, images: Images) -> tuple[LossStep, Tensor]:
        """Take one training step: augment images, run dialogues, compute losses and gradients, update weights."""
        states = self._states(inputs)
        images = to_device(images, self.device, self.precision)
        for augmentation in self.augmentations:
            images = images._replace(features=augmentation.apply(images.features, states[augmentation.purpose]))
        target_index = self.target_index[inputs.rows]
        # `bits` is 2d, for both messages. One more random number decides whether the dialogue continues.
        exchanges, batch, bits = flip_shape(self.game, inputs.rows.shape[1])
        flips = uniforms_from(states["flips"], (exchanges, batch, bits)) if "flips" in states else None
        draws = RandomDraws(uniforms_from(states["bits"], (exchanges, batch, bits + 1)), flips)
        bonus, coefficients = inputs.weights.tensor_split([len(EntropyWeights._fields)])
        entropy_weights = EntropyWeights(*bonus.unbind())
        loss_step = compute_losses(
            self.agents, images, self.descriptions, target_index, draws, self.game, entropy_weights
        )
        gradient = self.optimiser.backward(loss_step.losses.total)
        self.optimiser.step(gradient, coefficients)
        return loss_step, step_metrics(loss_step, target_index, self.k)

    def inputs(self, step: int, rows: Tensor) -> StepInputs:
        """Return the inputs that differ between steps, as CPU tensors, and increment the optimiser's step count.

        Because of the step count, call this method exactly once for each step, in order.
        """
        states = torch.stack([counter_states(self.seeds, purpose, step) for purpose in self.purposes])
        weights = [*entropy_weights_at(self.training, step), *self.optimiser.step_coefficients(step)]
        return StepInputs(rows, states, torch.tensor(weights, dtype=self.precision))

    def step_from_inputs(self, inputs: StepInputs) -> Tensor:
        """Take one training step and return its metrics, like `train_step`. Inputs must be on the images' device.

        The step reads only `inputs` and tensors whose addresses never change, so a CUDA graph can record it.
        """
        return self._step(inputs, self._take_images(inputs))[1]

    def _take_images(self, inputs: StepInputs) -> Images:
        return self.images.take(inputs.rows, self._states(inputs))

    def _states(self, inputs: StepInputs) -> dict[str, Tensor]:
        return dict(zip(self.purposes, inputs.states, strict=True))

    def _make_graphed_step(self) -> GraphedStep | None:
        """Return an empty `GraphedStep`, or None if CUDA graphs are disabled or cannot be used."""
        if self.device.type != "cuda" or not self.training.cuda_graphs:
            return None
        obstacles = {
            "training.checks reads the values of each step": self.training.checks,
            "the images are not on the GPU": not self.images.on_device,
            "a part of a plug-in may do what a graph cannot record": uses_plugins(self.game, self.training),
        }
        if reasons := [reason for reason, applies in obstacles.items() if applies]:
            logger.info(
                "CUDA graphs are not used because %s. Training steps will take several times as long.",
                " and ".join(reasons),
            )
            return None
        return GraphedStep()

    def evaluate_dev(self, k: int, shown: Sequence[int] = ()) -> list[DevResult]:
        """Evaluate each run on the dev split. Results include the dialogues about the images in the rows `shown`."""
        setup = RolloutInputs(
            self.agents,
            self.data.dev_images,
            self.data.dev_target_index,
            self.dev_descriptions,
            self.game,
            self.training.dev_batch_size,
        )
        return evaluate_batches(setup, k, shown)

    def checkpoint(self, run: int, step: int) -> Checkpoint:
        """Return a checkpoint of one run, given the index of its seed in `seeds` and the current step."""
        data, seed = self.data, self.seeds[run]
        agents = self._new_agents([seed])
        for network, saved in zip(self.agents, agents, strict=True):
            copy_seed(network, run, saved, 0)
        optimiser = {name: value.cpu() for name, value in self.optimiser.state_of(run).items()}
        return Checkpoint(
            agents, data.standardizer, self.game, self.training, data.sizes, data.candidate_ids, seed, step, optimiser
        )

    def load(self, checkpoints: Sequence[Checkpoint]) -> int:
        """Load one checkpoint per run, in the order of `seeds`, and return the step of the checkpoints."""
        for run, checkpoint in enumerate(checkpoints):
            for network, saved in zip(self.agents, checkpoint.agents, strict=True):
                copy_seed(saved, 0, network, run)
        self.optimiser.load([checkpoint.optimiser for checkpoint in checkpoints])
        return checkpoints[0].step


def uses_plugins(game: GameSettings, training: TrainingSettings) -> bool:
    """Return whether the settings name a part of a plug-in."""
    own = (
        game.channel in CHANNELS.own,
        game.baseline in BASELINES.own,
        game.reward in REWARDS.own,
        game.sender in SENDERS.own,
        game.receiver in RECEIVERS.own,
    )
    return bool(training.augmentations) or not all(own)


def device_of(training: TrainingSettings) -> torch.device:
    """Return the device to train on (``auto``: a GPU if there is one); raise `ParleyError` if ``cuda`` lacks a GPU."""
    available = torch.cuda.is_available()
    if training.device == "cuda" and not available:
        raise ParleyError("training.device is cuda, but torch finds no GPU here; set it to cpu or auto.")
    return torch.device("cuda" if training.device != "cpu" and available else "cpu")


@torch.no_grad()
def step_metrics(loss_step: LossStep, target_index: Tensor, k: int = 1) -> Tensor:
    """Return the metrics of a training step, averaged over the batch, ``[metrics, S]``, in the order of `METRICS`."""
    losses, scores = loss_step.losses, loss_step.replay.final_scores
    # As in `ranks`, a prediction is wrong if another candidate has the same score as the target.
    own = scores.gather(-1, target_index[..., None])
    rank = (scores >= own).sum(-1)
    accuracies = [(rank <= most).to(scores.dtype).mean(-1) for most in (1, k)]
    length = dialogue_lengths(loss_step.packed).mean(-1)
    learned = [getattr(losses, name) for name in Agents._fields]
    return torch.stack([*learned, losses.nll.mean(-1), losses.reward.mean(-1), *accuracies, length])
